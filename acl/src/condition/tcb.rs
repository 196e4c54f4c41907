//! TCB versions as rules write them, and as certificates say them.

use claviger_attest::SnpTcb;

use crate::LineError;

/// `bootloader=4 snp=22`: parts as reference values name them, each once. A part that isn't named is 0.
pub(crate) fn parse(words: &[&str]) -> Result<SnpTcb, LineError> {
    let mut tcb = SnpTcb::default();
    let mut named = Vec::new();
    for word in words {
        let (name, number) = word.split_once('=').ok_or(LineError::Condition)?;
        let part = match name {
            "fmc" => &mut tcb.fmc,
            "bootloader" => &mut tcb.bootloader,
            "tee" => &mut tcb.tee,
            "snp" => &mut tcb.snp,
            "microcode" => &mut tcb.microcode,
            _ => return Err(LineError::Condition),
        };
        let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        *part = number.parse().ok().filter(|_| plain).ok_or(LineError::Condition)?;
        if named.contains(&name) {
            return Err(LineError::Condition);
        }
        named.push(name);
    }
    if tcb == SnpTcb::default() { Err(LineError::Condition) } else { Ok(tcb) }
}

/// As rules write it, the parts that demand something.
pub(super) fn text(tcb: SnpTcb) -> String {
    let parts = tcb.parts().into_iter().filter(|(_, number)| *number != 0);
    parts.map(|(name, number)| format!("{name}={number}")).collect::<Vec<_>>().join(" ")
}

/// Whether no part is lower than in `floor`.
pub(super) fn is_at_least(tcb: SnpTcb, floor: SnpTcb) -> bool {
    tcb.parts().into_iter().zip(floor.parts()).all(|((_, have), (_, need))| have >= need)
}

/// The same of one that is text, all five numbers. A second way to the same answer.
pub(super) fn is_at_least_by_text(tcb: &str, floor: SnpTcb) -> bool {
    let numbers: Vec<u8> = tcb.split('.').filter_map(|number| number.parse().ok()).collect();
    let SnpTcb { fmc, bootloader, tee, snp, microcode } = floor;
    let floors = [fmc, bootloader, tee, snp, microcode];
    numbers.len() == floors.len() && numbers.iter().zip(floors).all(|(have, need)| *have >= need)
}

/// What the number in a certificate says. Products order its bytes in two ways, and the certificate doesn't say which
/// product's it is: one that can be read in both is unknown.
pub(crate) fn reported(number: u64) -> Option<SnpTcb> {
    use claviger_attest::SnpProduct::{Milan, Turin};
    let bytes = number.to_le_bytes();
    match (SnpTcb::parse(Milan, bytes), SnpTcb::parse(Turin, bytes)) {
        (Some(one), None) | (None, Some(one)) => Some(one),
        // Nothing at all is the same in both.
        (Some(one), Some(other)) if one == other => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_two_products_would_read_differently_is_unknown() {
        let read = |bytes| reported(u64::from_le_bytes(bytes));
        let genoa = SnpTcb { fmc: 0, bootloader: 4, tee: 1, snp: 24, microcode: 219 };
        assert_eq!(read([4, 1, 0, 0, 0, 0, 24, 219]), Some(genoa));
        assert_eq!(read([2, 4, 1, 24, 0, 0, 0, 219]), Some(SnpTcb { fmc: 2, ..genoa }));
        // Bootloader and tee of one, fmc and bootloader of the other.
        assert_eq!(read([4, 1, 0, 0, 0, 0, 0, 219]), None);
        assert_eq!(read([4, 1, 0, 0, 1, 0, 24, 219]), None);
    }
}
