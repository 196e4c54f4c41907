//! A SEV-SNP platform that doesn't exist, for trying things out: what it signs is real report bytes, with keys of its own
//! under a root of its own. It protects nothing: whoever has its files can say that anything runs.
//!
//! Nothing that verifies uses this module, and nothing here is a switch in the verifier: only a domain that names the
//! platform's root trusts it (a test of this crate holds the other modules to that). See `docs/adr/0017`.

#[cfg_attr(
    not(feature = "fakes"),
    expect(unreachable_pub, dead_code, reason = "the fakes give tests more of it")
)]
pub(crate) mod certificate;
mod platform;
#[cfg_attr(not(feature = "fakes"), expect(unreachable_pub, reason = "the fakes give tests more of it"))]
pub(crate) mod report;

pub use platform::{SimulatedSnp, SimulatedSnpGuest};
