//! What a domain demands of SEV-SNP platforms and guests: the table `[sev-snp]` of its policy file.
//!
//! Every field may be left out; what then holds is its default here, chosen strict where strictness shuts out
//! only what shouldn't get in. An empty list never means "all".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hex_bytes::{ChipId, HexBytes};
use super::product::SnpProduct;
use super::tcb::SnpTcb;

/// The owner's demands. AMD's own rules hold whatever is written here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SnpRequirements {
    /// Products that are accepted. Default: all that are known here; a Milan needs [`Self::chips`] besides.
    pub products: Vec<SnpProduct>,
    /// Accepts Milan chips that no list names. Default: false, since secrets of that product are public
    /// (arXiv 2605.12990), so that a report says little about which chip, if any, made it.
    pub milan_without_chip_list: bool,
    /// The only chips that are accepted, by id. Default: not restricted.
    pub chips: Option<Vec<ChipId>>,
    /// Chips that are refused, also if listed above. Default: none.
    pub denied_chips: Vec<ChipId>,
    /// Cloud providers whose VLEK is accepted, by the certificate's CSP id. Default: none; a VLEK says of no
    /// chip which it is, only whose.
    pub csp_ids: Vec<String>,
    /// Minimum TCBs for each product. Default: no floor; where one product has one, each that is accepted
    /// must.
    pub minimum_tcb: BTreeMap<SnpProduct, MinimumTcb>,
    /// Minimum of the committed firmware's version: major, minor, build. Default: none.
    pub minimum_firmware: Option<(u8, u8, u8)>,
    /// What the guest's policy must say.
    pub guest_policy: GuestPolicyDemands,
    /// What the platform must be.
    pub platform: PlatformDemands,
    /// Mitigation bits that must be set at the guest's launch (report version 5). Default: 0, none.
    pub launch_mitigations: u64,
    /// Mitigation bits that must be set now (report version 5). Default: 0, none.
    pub current_mitigations: u64,
    /// The lowest guest SVN. Default: 0.
    pub minimum_guest_svn: u32,
    /// The guest's family id. Default: any.
    pub family_id: Option<HexBytes<16>>,
    /// The guest's image id. Default: any.
    pub image_id: Option<HexBytes<16>>,
    /// Digests of the ID keys that are accepted; listing any demands an ID block. Default: not restricted.
    pub id_key_digests: Option<Vec<HexBytes<48>>>,
    /// Digests of the author keys that are accepted; listing any demands one. Default: not restricted.
    pub author_key_digests: Option<Vec<HexBytes<48>>>,
    /// What the host put beside the guest at launch. Default: anything.
    pub host_data: Option<HexBytes<32>>,
}

impl Default for SnpRequirements {
    fn default() -> Self {
        Self {
            products: SnpProduct::ALL.to_vec(),
            milan_without_chip_list: false,
            chips: None,
            denied_chips: Vec::new(),
            csp_ids: Vec::new(),
            minimum_tcb: BTreeMap::new(),
            minimum_firmware: None,
            guest_policy: GuestPolicyDemands::default(),
            platform: PlatformDemands::default(),
            launch_mitigations: 0,
            current_mitigations: 0,
            minimum_guest_svn: 0,
            family_id: None,
            image_id: None,
            id_key_digests: None,
            author_key_digests: None,
            host_data: None,
        }
    }
}

impl SnpRequirements {
    /// Refuses what no report could satisfy, or what contradicts itself: to be called when a policy is loaded.
    pub fn validate(&self) -> Result<(), RequirementsError> {
        let lists = [
            ("products", self.products.is_empty()),
            ("chips", self.chips.as_ref().is_some_and(Vec::is_empty)),
            ("id-key-digests", self.id_key_digests.as_ref().is_some_and(Vec::is_empty)),
            ("author-key-digests", self.author_key_digests.as_ref().is_some_and(Vec::is_empty)),
        ];
        if let Some((name, _)) = lists.into_iter().find(|(_, empty)| *empty) {
            return Err(RequirementsError::Empty(name));
        }
        if self.csp_ids.iter().any(|id| id.is_empty() || !id.is_ascii()) {
            return Err(RequirementsError::CspId);
        }
        let floors = self.minimum_tcb.iter().filter(|(product, _)| **product != SnpProduct::Turin);
        if floors.flat_map(|(_, floor)| floor.all()).any(|floor| floor.fmc != 0) {
            return Err(RequirementsError::Fmc);
        }
        Ok(())
    }
}

/// Demands that contradict themselves. The owner's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementsError {
    /// A list that would refuse everything.
    #[error("{0} is an empty list, which would refuse every machine; leave it out to demand nothing")]
    Empty(&'static str),
    /// Not a CSP id.
    #[error("a CSP id in csp-ids is non-empty ASCII text, as in the VLEK certificate")]
    CspId,
    /// A floor that the product lacks.
    #[error("only a turin has an fmc part in its TCB")]
    Fmc,
}

/// Minimums, part by part, of one product's TCBs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MinimumTcb {
    /// Of what the platform's owner lets the platform report; the signing key is derived from it.
    pub reported: SnpTcb,
    /// Of what the platform can no longer go back below.
    pub committed: SnpTcb,
    /// Of what ran when the guest was launched.
    pub launch: SnpTcb,
    /// Of what runs now.
    pub current: SnpTcb,
}

impl MinimumTcb {
    fn all(&self) -> [SnpTcb; 4] {
        [self.reported, self.committed, self.launch, self.current]
    }
}

/// What is thought of something that weakens a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weakness {
    /// Whoever has it isn't accepted.
    Refused,
    /// It may be there.
    Allowed,
}

/// What is thought of something that strengthens a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// It may be missing.
    Optional,
    /// Whoever lacks it isn't accepted.
    Required,
}

/// Demands on the guest's policy (ABI 56860 §4.3), which holds for the guest's whole life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GuestPolicyDemands {
    /// DEBUG, bit 19: the host may read the guest's memory. Default: refused.
    pub debug: Weakness,
    /// `MIGRATE_MA`, bit 18: a migration agent may copy the guest. Default: refused.
    pub migration_agent: Weakness,
    /// SMT, bit 16: may run where threads share a core. Default: allowed; most clouds run nothing else.
    pub smt: Weakness,
    /// `CXL_ALLOW`, bit 21: devices or memory may sit on CXL. Default: refused.
    pub cxl: Weakness,
    /// `SINGLE_SOCKET`, bit 20: runs on one socket only. Default: optional.
    pub single_socket: Strength,
    /// `MEM_AES_256_XTS`, bit 22: memory is encrypted with AES-256-XTS. Default: optional.
    pub aes_256_xts: Strength,
    /// `RAPL_DIS`, bit 23: no power readings for the host. Default: optional.
    pub rapl_disabled: Strength,
    /// `CIPHERTEXT_HIDING_DRAM`, bit 24: the host can't read ciphertext. Default: optional.
    pub ciphertext_hiding: Strength,
    /// `PAGE_SWAP_DISABLE`, bit 25: the host can't move or swap pages. Default: optional.
    pub page_swap_disabled: Strength,
    /// The lowest firmware ABI, major and minor, that the guest's policy asks for. Default: (0, 0).
    pub minimum_abi: (u8, u8),
}

impl Default for GuestPolicyDemands {
    fn default() -> Self {
        Self {
            debug: Weakness::Refused,
            migration_agent: Weakness::Refused,
            smt: Weakness::Allowed,
            cxl: Weakness::Refused,
            single_socket: Strength::Optional,
            aes_256_xts: Strength::Optional,
            rapl_disabled: Strength::Optional,
            ciphertext_hiding: Strength::Optional,
            page_swap_disabled: Strength::Optional,
            minimum_abi: (0, 0),
        }
    }
}

/// Demands on the platform (ABI 56860 §7.3, `PLATFORM_INFO`), as it is when it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlatformDemands {
    /// `SMT_EN`, bit 0. Default: allowed, as in guest policies.
    pub smt: Weakness,
    /// `TSME_EN`, bit 1: all memory is encrypted, guest or not. Default: optional.
    pub tsme: Strength,
    /// `ECC_EN`, bit 2: memory with error correction. Default: optional.
    pub ecc: Strength,
    /// `RAPL_DIS`, bit 3. Default: optional.
    pub rapl_disabled: Strength,
    /// `CIPHERTEXT_HIDING_DRAM_EN`, bit 4. Default: optional.
    pub ciphertext_hiding: Strength,
    /// `ALIAS_CHECK_COMPLETE`, bit 5: no two addresses are one place in memory (`BadRAM`). Default: where
    /// the report's version has the bit.
    pub alias_check: AliasCheck,
    /// `TIO_EN`, bit 7: trusted devices may be attached. Default: allowed.
    pub tio: Weakness,
}

impl Default for PlatformDemands {
    fn default() -> Self {
        Self {
            smt: Weakness::Allowed,
            tsme: Strength::Optional,
            ecc: Strength::Optional,
            rapl_disabled: Strength::Optional,
            ciphertext_hiding: Strength::Optional,
            alias_check: AliasCheck::WhereReported,
            tio: Weakness::Allowed,
        }
    }
}

/// Whether the platform must have checked its memory for aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AliasCheck {
    /// It may not have.
    Optional,
    /// It must have, if its report is of version 3 or later; older ones can't say.
    WhereReported,
    /// It must have, so that reports of version 2 are refused.
    Required,
}
