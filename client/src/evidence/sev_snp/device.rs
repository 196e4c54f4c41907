//! `/dev/sev-guest`, through the `sev` crate.
//!
//! Only the report is asked for. The extended request would bring the host's certificate table as well, but the crate
//! follows the offsets in it without a look at their bounds, and the host is whom this machine mustn't trust.

use sev::error::UserApiError;
use sev::firmware::guest::Firmware;

use super::{Collected, Fault};

/// The privilege level to be reported: the guest's kernel runs at the highest.
const VMPL: u32 = 0;

pub(super) fn collect(asked: &[u8; 64]) -> Result<Collected, Fault> {
    let mut device = Firmware::open().map_err(Fault::NoDevice)?;
    let report = device.get_report(None, Some(*asked), Some(VMPL)).map_err(|error| refused(&error))?;
    Ok(Collected { report, certificates: Vec::new() })
}

fn refused(error: &UserApiError) -> Fault {
    Fault::Device(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/dev/sev-guest";

    #[test]
    fn without_a_device_the_error_says_what_is_missing() {
        if std::path::Path::new(PATH).exists() {
            return;
        }
        let fault = collect(&[0; 64]).err().expect("there is no device");
        assert!(matches!(&fault, Fault::NoDevice(_)) && fault.to_string().contains(PATH), "{fault}");
        assert!(fault.next().contains("sev-guest"));
    }
}
