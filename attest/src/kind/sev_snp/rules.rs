//! The rules by name. Each has a verdict of its own, in the order in which they are looked at: what costs no
//! signature first.

use std::fmt;

macro_rules! rules {
    ($($variant:ident $code:literal $text:literal $source:literal;)*) => {
        /// One rule of the verification of SEV-SNP reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum SnpRule {
            $(#[doc = $text] $variant,)*
        }

        impl SnpRule {
            /// Every rule, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its stable name.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it says, in one line.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Where it comes from: AMD's 56860 (firmware ABI), 57230 (VCEK, VLEK), 56421 (GHCB), or the
            /// domain's policy with the field of AMD's that it is about.
            pub fn source(self) -> &'static str {
                match self { $(Self::$variant => $source,)* }
            }
        }
    };
}

rules! {
    // What AMD's specifications demand of the report alone.
    ReportLength "report-length" "a report has 1184 bytes" "56860 §7.3, ATTESTATION_REPORT";
    ReportVersion "report-version" "the report's version is 2, 3, 4 or 5" "56860 §7.3, VERSION";
    ReportReserved "report-reserved" "reserved bytes of the report are zero" "56860 §7.3, ATTESTATION_REPORT";
    SignatureAlgorithm "signature-algorithm" "the report is signed with ECDSA P-384 and SHA-384" "56860 §7.3, SIGNATURE_ALGO";
    KeyInfo "key-info" "reserved bits of the key information are zero" "56860 §7.3, AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY";
    SigningKey "signing-key" "a VCEK or a VLEK signs the report" "56860 §7.3, SIGNING_KEY";
    ChipKeyMasked "mask-chip-key" "the host doesn't have the firmware leave reports unsigned" "56860 §7.3, MASK_CHIP_KEY";
    AuthorKey "author-key" "an author key's digest is there exactly where the report says so" "56860 §7.3, AUTHOR_KEY_EN, AUTHOR_KEY_DIGEST";
    PolicyReserved "policy-reserved" "bit 17 of the guest's policy is one, bits 26 to 63 are zero" "56860 §4.3, POLICY";
    PlatformReserved "platform-reserved" "reserved bits of the platform's information are zero" "56860 §7.3, PLATFORM_INFO";
    VmplRange "vmpl-range" "the guest asked, at VMPL 0 to 3" "56860 §7.3, VMPL";
    PolicyAbi "policy-abi" "the running firmware is at least what the guest's policy asks for" "56860 §4.3, ABI_MAJOR, ABI_MINOR";
    PolicyEnforced "policy-enforced" "the platform is what the guest's policy asks for" "56860 §4.3 and §7.3, PLATFORM_INFO";
    FirmwareOrder "firmware-order" "the committed firmware isn't newer than the running one" "56860 §7.3, COMMITTED and CURRENT version";
    // What the channel and the domain demand, without the product.
    Measurement "measurement" "the domain trusts what runs" "policy; 56860 §7.3, MEASUREMENT";
    Vmpl "vmpl" "the report was asked for at the VMPL that the domain names" "policy; 56860 §7.3, VMPL";
    ReportData "report-data" "the report carries this channel's binding" "56860 §7.3, REPORT_DATA";
    Signer "signer" "the domain accepts reports that this kind of key signs" "policy; 56860 §7.3, SIGNING_KEY";
    Debug "debug" "the host can't debug the guest" "policy; 56860 §4.3, DEBUG, bit 19";
    MigrationAgent "migration-agent" "no migration agent can be attached" "policy; 56860 §4.3, MIGRATE_MA, bit 18, and REPORT_ID_MA";
    PolicySmt "policy-smt" "the guest doesn't allow SMT, where the domain refuses it" "policy; 56860 §4.3, SMT, bit 16";
    PolicyCxl "policy-cxl" "the guest doesn't allow CXL, where the domain refuses it" "policy; 56860 §4.3, CXL_ALLOW, bit 21";
    PolicySingleSocket "policy-single-socket" "the guest runs on one socket" "policy; 56860 §4.3, SINGLE_SOCKET, bit 20";
    PolicyAes256 "policy-aes-256-xts" "the guest's memory is under AES-256-XTS" "policy; 56860 §4.3, MEM_AES_256_XTS, bit 22";
    PolicyRapl "policy-rapl-disabled" "the guest demands that power isn't read" "policy; 56860 §4.3, RAPL_DIS, bit 23";
    PolicyCiphertext "policy-ciphertext-hiding" "the guest demands that ciphertext is hidden" "policy; 56860 §4.3, CIPHERTEXT_HIDING_DRAM, bit 24";
    PolicyPageSwap "policy-page-swap-disabled" "the guest demands that pages aren't moved or swapped" "policy; 56860 §4.3, PAGE_SWAP_DISABLE, bit 25";
    MinimumAbi "minimum-abi" "the guest's policy asks for a new enough firmware" "policy; 56860 §4.3, ABI_MAJOR, ABI_MINOR";
    PlatformSmt "platform-smt" "the platform has no SMT, where the domain refuses it" "policy; 56860 §7.3, SMT_EN";
    PlatformTsme "platform-tsme" "the platform encrypts all memory" "policy; 56860 §7.3, TSME_EN";
    PlatformEcc "platform-ecc" "the platform's memory corrects errors" "policy; 56860 §7.3, ECC_EN";
    PlatformRapl "platform-rapl-disabled" "the platform doesn't read power" "policy; 56860 §7.3, RAPL_DIS";
    PlatformCiphertext "platform-ciphertext-hiding" "the platform hides ciphertext" "policy; 56860 §7.3, CIPHERTEXT_HIDING_DRAM_EN";
    AliasCheck "alias-check" "the platform has checked its memory for aliases" "policy; 56860 §7.3, ALIAS_CHECK_COMPLETE";
    PlatformTio "platform-tio" "no trusted devices, where the domain refuses them" "policy; 56860 §7.3, TIO_EN";
    GuestSvn "guest-svn" "the guest's SVN is high enough" "policy; 56860 §7.3, GUEST_SVN";
    FamilyId "family-id" "the guest is of the family that the domain names" "policy; 56860 §7.3, FAMILY_ID";
    ImageId "image-id" "the guest is the image that the domain names" "policy; 56860 §7.3, IMAGE_ID";
    HostData "host-data" "the host launched it with what the domain names" "policy; 56860 §7.3, HOST_DATA";
    IdKey "id-key" "an ID key that the domain lists signed its ID block" "policy; 56860 §7.3, ID_KEY_DIGEST";
    AuthorKeyListed "author-key-listed" "an author key that the domain lists signed its ID key" "policy; 56860 §7.3, AUTHOR_KEY_DIGEST";
    MinimumFirmware "minimum-firmware" "the committed firmware is new enough" "policy; 56860 §7.3, COMMITTED version";
    LaunchMitigations "launch-mitigations" "the mitigations that the domain names were on at launch" "policy; 56860 §7.3, LAUNCH_MIT_VECTOR";
    CurrentMitigations "current-mitigations" "the mitigations that the domain names are on" "policy; 56860 §7.3, CURRENT_MIT_VECTOR";
    ChipDenied "chip-denied" "the domain doesn't deny this chip" "policy; 56860 §7.3, CHIP_ID";
    // What needs the product, which a report of version 2 doesn't name.
    Product "product" "the product is one that is known" "56860 §7.3, CPUID_FAM_ID, CPUID_MOD_ID; 57230, productName";
    TcbReserved "tcb-reserved" "reserved bytes of the TCB versions are zero, as the product orders them" "56860 §2.2, TCB_VERSION";
    ChipIdForm "chip-id-form" "the chip's id has the length of the product's" "56860 §7.3, CHIP_ID";
    TcbOrder "tcb-order" "reported is at most committed is at most current, in every part" "56860 §2.2 and §7.3, REPORTED_TCB, COMMITTED_TCB, CURRENT_TCB";
    ProductAllowed "product-allowed" "the domain accepts this product: a Milan only with listed chips or a waiver, and none without floors where another has some" "policy; 56860 §7.3, CPUID_FAM_ID, CPUID_MOD_ID";
    ReportedTcb "minimum-reported-tcb" "the reported TCB is high enough in every part" "policy; 56860 §7.3, REPORTED_TCB";
    CommittedTcb "minimum-committed-tcb" "the committed TCB is high enough in every part" "policy; 56860 §7.3, COMMITTED_TCB";
    LaunchTcb "minimum-launch-tcb" "the TCB at launch was high enough in every part" "policy; 56860 §7.3, LAUNCH_TCB";
    CurrentTcb "minimum-current-tcb" "the current TCB is high enough in every part" "policy; 56860 §7.3, CURRENT_TCB";
    // The certificates: read, then compared, then verified.
    VekPresent "vek-present" "the certificate of the key that signs is there" "57230; 56421 §4.1.8.1";
    VekForm "vek-form" "it is a VEK's certificate: version 3, a P-384 key, no CA, RSA-PSS with SHA-384" "57230, VCEK and VLEK certificate";
    VekExtensions "vek-extensions" "it has each of AMD's extensions once, and no other that is critical" "57230, certificate extensions";
    IntermediateForm "intermediate-form" "an ASK (for a VCEK) or an ASVK (for a VLEK) of that name issued it: a CA, RSA-4096" "57230, ASK and ASVK";
    RootPinned "root-pinned" "the root is the product's pinned ARK, or one that the domain names" "57230, ARK";
    ChainProduct "chain-product" "all certificates and the report are of one product" "57230, productName and names";
    ChainValidity "chain-validity" "every certificate is within its dates" "57230; RFC 5280 §4.1.2.5";
    ChipIdMatch "chip-id" "the chip's id is the VCEK's hwID" "57230, hwID; 56860 §7.3, CHIP_ID";
    VekTcb "vek-tcb" "each part of the reported TCB is the certificate's" "57230, SPL extensions; 56860 §7.3, REPORTED_TCB";
    CspId "csp-id" "the VLEK is of a provider that the domain lists" "policy; 57230, cspID";
    Chip "chip" "the domain lists this chip, where it lists chips, and doesn't deny it" "policy; 56860 §7.3, CHIP_ID";
    IntermediateSignature "intermediate-signature" "the ARK signed the ASK or ASVK" "57230, certificate chain";
    VekSignature "vek-signature" "the ASK or ASVK signed the VEK's certificate" "57230, certificate chain";
    Revocation "revocation" "no revocation list that is given lists the chain; the list is the ARK's, and current" "57230, CRL; RFC 5280 §5";
    ReportSignature "report-signature" "the VEK signed the report" "56860 §7.3, SIGNATURE";
}

impl fmt::Display for SnpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What came of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnpOutcome {
    /// It holds.
    Passed,
    /// Nobody asked for it.
    NotDemanded,
    /// It couldn't be looked at, because of a rule that failed or a part that is missing.
    NotReached,
    /// It doesn't hold; why.
    Failed(String),
}

impl SnpOutcome {
    /// [`Self::Passed`], or failed for this reason.
    pub(super) fn of(holds: bool, why: impl FnOnce() -> String) -> Self {
        if holds { Self::Passed } else { Self::Failed(why()) }
    }
}

/// A rule and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnpVerdict {
    /// The rule.
    pub rule: SnpRule,
    /// What came of it.
    pub outcome: SnpOutcome,
}

/// A rule that doesn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) rule: SnpRule,
    pub(super) why: String,
}

impl Broken {
    /// A rule that couldn't be looked at is broken.
    pub(super) fn unreached(rule: SnpRule) -> Self {
        Self { rule, why: "it could not be checked".to_owned() }
    }
}

/// Takes down verdicts. One that isn't thorough stops at the first rule that fails, and keeps nothing.
pub(super) struct Judge {
    thorough: Option<Vec<SnpVerdict>>,
}

impl Judge {
    pub(super) fn strict() -> Self {
        Self { thorough: None }
    }

    pub(super) fn thorough() -> Self {
        Self { thorough: Some(Vec::new()) }
    }

    pub(super) fn rule(&mut self, rule: SnpRule, outcome: SnpOutcome) -> Result<(), Broken> {
        match (&mut self.thorough, outcome) {
            (Some(_), outcome) => {
                self.amend(rule, outcome);
                Ok(())
            }
            (None, SnpOutcome::Failed(why)) => Err(Broken { rule, why }),
            (None, SnpOutcome::NotReached) => Err(Broken::unreached(rule)),
            (None, SnpOutcome::Passed | SnpOutcome::NotDemanded) => Ok(()),
        }
    }

    /// A rule that gives what others need; `None` if it failed and the judge goes on.
    pub(super) fn value<T>(&mut self, rule: SnpRule, result: Result<T, String>) -> Result<Option<T>, Broken> {
        match result {
            Ok(value) => self.rule(rule, SnpOutcome::Passed).map(|()| Some(value)),
            Err(why) => self.rule(rule, SnpOutcome::Failed(why)).map(|()| None),
        }
    }

    /// Puts another outcome in the place of what was found before.
    pub(super) fn amend(&mut self, rule: SnpRule, outcome: SnpOutcome) {
        if let Some(verdicts) = &mut self.thorough {
            verdicts.retain(|verdict| verdict.rule != rule);
            verdicts.push(SnpVerdict { rule, outcome });
        }
    }

    /// The verdict of every rule; what was never looked at is not reached.
    pub(super) fn verdicts(self) -> Vec<SnpVerdict> {
        let found = self.thorough.unwrap_or_default();
        let verdict = |rule: &SnpRule| {
            let known = found.iter().find(|verdict| verdict.rule == *rule);
            let outcome = known.map_or(SnpOutcome::NotReached, |verdict| verdict.outcome.clone());
            SnpVerdict { rule: *rule, outcome }
        };
        SnpRule::ALL.iter().map(verdict).collect()
    }
}
