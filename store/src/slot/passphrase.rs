//! The slot `passphrase`: Argon2id (RFC 9106) makes the factor out of a passphrase.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use claviger_proto::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::slot::SlotError;

/// Most bytes of a passphrase.
pub const MAX_PASSPHRASE: usize = 1024;
/// Fewest bytes of a new one (NIST SP 800-63B, section 3.1.1.2, for what is one of several factors).
const SHORTEST_NEW: usize = 8;

/// The second recommended option of RFC 9106, section 4: 64 MiB, 3 passes, 4 lanes.
const RECOMMENDED: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 };
/// The most that a slot may ask for, so that one that somebody wrote can't take all memory or all day.
const MOST: Cost = Cost { memory_kib: 256 << 10, passes: 16, lanes: 16 };
/// Bytes of the salt (RFC 9106, section 3.1).
const SALT: usize = 16;

/// A passphrase: bytes as they were typed, without the line's end. No `Debug`, no `Clone`; zeroized.
pub struct Passphrase(Secret);

impl Passphrase {
    /// Takes what was typed or read; one line's end after it is left away. An empty one, one of more than
    /// [`MAX_PASSPHRASE`] bytes, and more than one line are errors.
    pub fn new(typed: &Secret) -> Result<Self, SlotError> {
        let bytes = typed.expose();
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.len() > MAX_PASSPHRASE || line.contains(&b'\n') {
            return Err(SlotError::PassphraseForm);
        }
        Ok(Self(Secret::copy_from(line)))
    }

    /// Its bytes, to be sent to where the slot is.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Whether it is the same, in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Whether it is long enough to make a slot with.
    pub(super) fn check_new(&self) -> Result<(), SlotError> {
        if self.0.len() < SHORTEST_NEW { Err(SlotError::PassphraseShort) } else { Ok(()) }
    }
}

/// What stretching costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// How a slot's factor is made from its passphrase, as it lies in `slots.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct Stretch {
    #[serde(flatten)]
    pub(super) cost: Cost,
    salt: String,
}

impl Stretch {
    /// A fresh salt, at today's cost.
    pub(super) fn new() -> Result<Self, SlotError> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| SlotError::Randomness)?;
        Ok(Self { cost: RECOMMENDED, salt: hex::encode(salt) })
    }

    /// What the slot's seal is bound to.
    pub(super) fn bound_to(&self) -> Vec<u8> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let mut bytes: Vec<u8> = [memory_kib, passes, lanes].map(u32::to_be_bytes).concat();
        bytes.extend_from_slice(self.salt.as_bytes());
        bytes
    }

    /// The factor. `None` when the slot asks for what no slot of ours does.
    pub(super) fn factor(&self, passphrase: &Passphrase) -> Result<Option<Secret>, SlotError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        let within = memory_kib <= MOST.memory_kib && passes <= MOST.passes && lanes <= MOST.lanes;
        let (true, Ok(salt)) = (within, hex::decode(&self.salt)) else { return Ok(None) };
        let Ok(params) = Params::new(memory_kib, passes, lanes, Some(32)) else { return Ok(None) };
        let blocks = params.block_count();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut memory = Zeroizing::new(Vec::new());
        memory.try_reserve_exact(blocks).map_err(|_| SlotError::Memory { mib: memory_kib >> 10 })?;
        memory.resize(blocks, Block::default());
        let mut factor = Zeroizing::new([0; 32]);
        let made = argon2.hash_password_into_with_memory(
            passphrase.0.expose(),
            &salt,
            factor.as_mut_slice(),
            memory.as_mut_slice(),
        );
        Ok(made.is_ok().then(|| Secret::copy_from(factor.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(cost: Cost, salt: &str) -> Stretch {
        Stretch { cost, salt: salt.to_owned() }
    }

    fn passphrase(text: &[u8]) -> Result<Passphrase, SlotError> {
        Passphrase::new(&Secret::copy_from(text))
    }

    #[test]
    fn it_is_argon2id_as_another_implementation_has_it() {
        // The same by OpenSSL's Argon2id, through Python's cryptography.
        let made = stretch(RECOMMENDED, &hex::encode(b"claviger-salt-16"))
            .factor(&passphrase(b"correct horse battery\n").expect("a passphrase"))
            .expect("memory")
            .expect("a factor");
        assert_eq!(
            hex::encode(made.expose()),
            "b5e74d2e2b1408cb16b920019b556079aac4c0e999cf996ac5f6f08fca57cde2"
        );
    }

    #[test]
    fn a_slot_that_asks_for_too_much_is_refused_before_any_memory_is_taken() {
        let typed = passphrase(b"x").expect("a passphrase");
        for cost in [
            Cost { memory_kib: MOST.memory_kib + 1, ..RECOMMENDED },
            Cost { memory_kib: u32::MAX, ..RECOMMENDED },
            Cost { passes: MOST.passes + 1, ..RECOMMENDED },
            Cost { lanes: MOST.lanes + 1, ..RECOMMENDED },
            Cost { memory_kib: 8, ..RECOMMENDED },
            Cost { passes: 0, ..RECOMMENDED },
            Cost { lanes: 0, ..RECOMMENDED },
        ] {
            assert!(
                stretch(cost, &"00".repeat(SALT)).factor(&typed).expect("no memory is asked for").is_none()
            );
        }
        for salt in ["", "zz", &"00".repeat(7)] {
            assert!(stretch(RECOMMENDED, salt).factor(&typed).expect("memory").is_none());
        }
    }

    #[test]
    fn a_passphrase_is_one_line() {
        let bytes = |text: &[u8]| passphrase(text).map(|passphrase| passphrase.0.expose().to_vec());
        for (typed, meant) in [(&b"a b \n"[..], &b"a b "[..]), (b"a\r\n", b"a"), (b"a", b"a")] {
            assert_eq!(bytes(typed).expect("a passphrase"), meant);
        }
        for bad in [&b""[..], b"\n", b"a\nb\n", &[b'a'; MAX_PASSPHRASE + 1]] {
            assert!(matches!(bytes(bad), Err(SlotError::PassphraseForm)));
        }
        assert!(matches!(passphrase(b"seven77").expect("one").check_new(), Err(SlotError::PassphraseShort)));
        passphrase(b"eight888").expect("one").check_new().expect("long enough");
    }
}
