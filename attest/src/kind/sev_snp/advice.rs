//! What to do about a rule that refuses, for operators and owners: by what the rule is about.

use super::rules::SnpRule;

impl SnpRule {
    #[expect(clippy::too_many_lines, reason = "it is a table, a family of rules an entry")]
    /// What who runs the broker, or owns the domain, does next, as a sentence without its full stop. Not for the peer.
    pub fn next(self) -> &'static str {
        use SnpRule as R;
        match self {
            R::ReportLength | R::ReportVersion => {
                "give the 1184 bytes of a report of version 2 to 5, as the firmware made them"
            }
            R::ReportReserved
            | R::SignatureAlgorithm
            | R::KeyInfo
            | R::SigningKey
            | R::AuthorKey
            | R::PolicyReserved
            | R::PlatformReserved
            | R::FirmwareOrder
            | R::TcbReserved
            | R::ChipIdForm
            | R::TcbOrder => {
                "no sound firmware makes such a report: if it wasn't damaged on its way, don't trust that platform"
            }
            R::ChipKeyMasked => {
                "the host's operator turns off MASK_CHIP_KEY: such reports are signed by nothing"
            }
            R::VmplRange => "have the guest ask for the report, not its host",
            R::PolicyAbi | R::PolicyEnforced => {
                "the platform isn't what the guest's policy asks for, which firmware should have seen: don't trust it"
            }
            R::Measurement => {
                "if what runs there is yours, list its measurement (key-admin measure snp, key-admin trust add); else \
                 find out what was started"
            }
            R::Vmpl => {
                "have the report asked for at the VMPL that the policy names, or change vmpl in its [[measurement]]"
            }
            R::ReportData => {
                "have the machine try again: its report is of another channel or challenge; if it stays, somebody may \
                 be relaying it"
            }
            R::Signer | R::CspId => {
                "if reports under this kind of key, or of this provider, are to count, list the provider: csp-ids in \
                 [sev-snp]"
            }
            R::Debug
            | R::MigrationAgent
            | R::PolicySmt
            | R::PolicyCxl
            | R::PolicySingleSocket
            | R::PolicyAes256
            | R::PolicyRapl
            | R::PolicyCiphertext
            | R::PolicyPageSwap
            | R::MinimumAbi => {
                "start the guest with a guest policy that satisfies the domain's, or change [sev-snp.guest-policy]"
            }
            R::PlatformSmt
            | R::PlatformTsme
            | R::PlatformEcc
            | R::PlatformRapl
            | R::PlatformCiphertext
            | R::AliasCheck
            | R::PlatformTio => {
                "the host's operator sets its firmware up as the domain asks, or the owner changes [sev-snp.platform]"
            }
            R::GuestSvn | R::FamilyId | R::ImageId | R::HostData | R::IdKey | R::AuthorKeyListed => {
                "launch the guest with the ID block and host data that the policy names, or change them in [sev-snp]"
            }
            R::MinimumFirmware
            | R::LaunchMitigations
            | R::CurrentMitigations
            | R::ReportedTcb
            | R::CommittedTcb
            | R::LaunchTcb
            | R::CurrentTcb => {
                "the host's operator updates and commits its firmware, then the guest starts anew; a floor is lowered \
                 only with AMD's bulletins at hand"
            }
            R::ChipDenied | R::Chip => {
                "start the guest on a chip that the domain lists, or list this one: chips and denied-chips in [sev-snp]"
            }
            R::Product | R::ChainProduct => "use a Milan, Genoa or Turin, with certificates of that product",
            R::ProductAllowed => {
                "use a product that the policy takes, or change [sev-snp]: products, minimum-tcb of each, and for a Milan \
                 chips or milan-without-chip-list"
            }
            R::VekPresent => {
                "have the host give the certificate with the report, or put it into a folder of vcek_dirs; a VCEK's is at \
                 AMD's key distribution service, a VLEK's only the cloud provider has"
            }
            R::VekForm | R::VekExtensions | R::VekSignature | R::IntermediateSignature => {
                "get the certificate anew from AMD or the provider: this one isn't AMD's, or was altered"
            }
            R::IntermediateForm => {
                "put the ASK (for a VCEK) or the ASVK (for a VLEK) into a folder of vcek_dirs, or have the host give it"
            }
            R::RootPinned => {
                "use certificates of AMD's; for a test platform, name its root in the policy (roots in [[measurement]])"
            }
            R::ChainValidity => "compare the clocks; a certificate that is past its date is fetched anew",
            R::ChipIdMatch | R::VekTcb => {
                "get the certificate of this very chip at the report's reported TCB: the host's is an old or another one"
            }
            R::Revocation => {
                "put the ARK's current list into crl_dir, and send the broker SIGHUP; one that doesn't count yet: \
                 compare the clocks; where a certificate is revoked, don't trust what is under it"
            }
            R::ReportSignature => {
                "nothing here: the report is forged or damaged; if it comes again, look at where it comes from"
            }
        }
    }
}
