//! Evidence in, [`Attested`] out; and the certificates that come of it.
//!
//! Pure: bytes, policy and time in, values out; no clock, no network, no files. Randomness comes from
//! aws-lc-rs alone (keys, serials, signatures). What proves something ([`Attested`], [`Peer`],
//! [`PolicyCertificate`], [`Issuer`]) can only be made by the check that it stands for.

mod attested;
mod binding;
mod cert;
pub mod certifier;
mod claim;
mod digest;
mod error;
#[cfg(feature = "fakes")]
pub mod fakes;
mod instance;
mod key;
mod kind;
pub mod measure;
mod measurement;
mod new_key;
mod possession;
mod proofs;
mod reference;
mod revocation;
mod role;
mod signature;
mod simulated_snp;
mod stock;

pub use attested::{Attested, EndorsementNeeded, Endorsements, Expected, Screened, screen, verify};
pub use binding::{Binding, EXPORTER_LEN, Purpose, exporter_label};
pub use cert::{
    ADMISSION_DAYS, ADMISSION_EXTENSION_OID, AdmissionExtension, AdmissionIssuer, BROKER_DAYS, BrokerIssuer,
    BrokerMeasurements, CLOCK_SKEW, CertificateFacts, DELEGATION_DAYS, DelegatedIssuer, Issuer,
    IssuerCertificate, Peer, Person, PersonRole, PolicyCertificate, Principal, PrincipalName, Principals,
    SHORTEST_ADMISSION, TrustedPrincipal, certificate_request, certificate_spki, self_signed_agent,
    self_signed_face, self_signed_operator, self_signed_policy, sign_as_broker, sign_as_principal,
    verify_agent, verify_agent_chain, verify_broker, verify_person, verify_pinned, verify_signed_by_broker,
};
pub use digest::{sha256, sha384};
pub use error::{
    AttestError, CertificateError, IssueError, KeyError, PolicyError, PrincipalError, ReferenceError,
    RevocationError,
};
pub use instance::{
    IdBlock, Identified, Instance, InstanceDemand, InstanceWay, MachineClaims, Renews, TICKET, TicketId,
    is_instance_label, ticket_host_data, ticket_id,
};
pub use key::{KeyAlgorithm, SigningKey};
pub use kind::EvidenceKind;
pub use kind::sev_snp::{
    AliasCheck, ChipId, GuestPolicyDemands, HexBytes, HexError, ITEM_SNP_CERTIFICATES, ITEM_SNP_REPORT,
    ITEM_USER_DATA, MAX_CERTIFICATE_TABLE, MinimumTcb, PlatformDemands, RequirementsError,
    RevocationListError, SNP_REPORT_LEN, SnpChainCache, SnpExamination, SnpOutcome, SnpProduct, SnpQuestion,
    SnpReport, SnpRequirements, SnpRevocationList, SnpRule, SnpSigner, SnpTcb, SnpVerdict, Strength,
    TableEntry, UnknownProduct, Weakness, amd_certificates, examine_snp, read_certificate_table, snp_package,
    snp_report_data, write_certificate_table,
};
pub use kind::simulated_enclave::SimulatedPlatform;
pub use kind::tpm::{
    ACTIVATION_SECONDS, ActivationError, EndorsementKey, ITEM_TPM_QUOTE, ITEM_TPM_SIGNATURE, PcrSelection,
    TpmActivation, TpmClock, TpmPublic, TpmQuote, tpm_package, tpm_qualifying_data,
};
pub use measurement::Measurement;
pub use new_key::{NewKey, NewKeyError};
pub use possession::{check_possession, prove_possession};
pub use proofs::{Moment, Proofs, Standing};
pub use reference::{
    BrokerValue, ListedBroker, MilanRule, PolicyFault, PolicyFile, PolicyFileError, PolicyTable,
    ReferenceValue, ReferenceValues, ScreenedBroker, TrustPolicy,
};
pub use revocation::{MAX_REVOCATIONS, Revocation, Revocations, Revoked};
pub use role::Role;
pub use simulated_snp::{SimulatedSnp, SimulatedSnpGuest};
pub use stock::{ScreenedStock, StockExpected, screen_stock, sev_report_data};
