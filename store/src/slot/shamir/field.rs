//! Shamir's secret sharing over GF(2^8), the field of AES (x^8 + x^4 + x^3 + x + 1), byte by byte.
//!
//! Nothing here branches on, or indexes by, a secret byte: products are made with masks, not tables.

use zeroize::Zeroizing;

/// Bytes of what is split.
pub(super) const SECRET: usize = 32;

/// What is split, and each part of it.
pub(super) type Bytes = Zeroizing<[u8; SECRET]>;

fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    for _ in 0..8 {
        product ^= a & (b & 1).wrapping_neg();
        a = (a << 1) ^ (0x1b & (a >> 7).wrapping_neg());
        b >>= 1;
    }
    product
}

/// a^254, which is 1/a for all but 0.
fn invert(a: u8) -> u8 {
    let mut power = a;
    let mut result = 1;
    for _ in 0..7 {
        power = multiply(power, power);
        result = multiply(result, power);
    }
    result
}

/// The part at `x` (1 to 255) of a polynomial whose value at 0 is the secret. `coefficients` are those of x, x², …:
/// one less than the parts that are needed, each byte random (0 included: leaving it out would say something
/// about the secret).
pub(super) fn part(secret: &Bytes, coefficients: &[Bytes], x: u8) -> Bytes {
    let mut part = Zeroizing::new([0; SECRET]);
    for coefficient in coefficients.iter().rev().chain([secret]) {
        for (byte, coefficient) in part.iter_mut().zip(coefficient.iter()) {
            *byte = multiply(*byte, x) ^ coefficient;
        }
    }
    part
}

/// The value at 0 of the polynomial through these parts, whose places are distinct and not 0.
pub(super) fn combine(parts: &[(u8, &Bytes)]) -> Bytes {
    let mut secret = Zeroizing::new([0; SECRET]);
    for (x, part) in parts {
        let others = parts.iter().map(|(other, _)| *other).filter(|other| other != x);
        let weight = others.fold(1, |weight, other| multiply(weight, multiply(other, invert(x ^ other))));
        for (byte, part) in secret.iter_mut().zip(part.iter()) {
            *byte ^= multiply(weight, *part);
        }
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_field_of_aes() {
        // FIPS 197, section 4.2.
        assert_eq!((multiply(0x57, 0x83), multiply(0x57, 0x13)), (0xc1, 0xfe));
        for a in 1..=255 {
            assert_eq!(multiply(a, invert(a)), 1);
        }
    }

    fn unhex(text: &str) -> Bytes {
        Zeroizing::new(hex::decode(text).expect("hex").try_into().expect("32 bytes"))
    }

    /// Every choice of `count` of these.
    fn choices<T: Copy>(of: &[T], count: usize) -> Vec<Vec<T>> {
        match (count, of) {
            (0, _) => vec![Vec::new()],
            (_, []) => Vec::new(),
            (_, [first, rest @ ..]) => {
                let mut with = choices(rest, count - 1);
                for choice in &mut with {
                    choice.push(*first);
                }
                with.into_iter().chain(choices(rest, count)).collect()
            }
        }
    }

    #[test]
    fn parts_made_by_another_implementation_are_combined() {
        // Made with vsss-rs 6.0.1, Gf256::split_bytes: needed, secret, then place and part of each.
        for block in include_str!("../../../tests/data/shamir.txt").trim().split("\n\n") {
            let (head, lines) = block.split_once('\n').expect("lines");
            let (needed, secret) = head.split_once(' ').expect("two words");
            let parts: Vec<(u8, Bytes)> = lines
                .lines()
                .map(|line| (u8::from_str_radix(&line[..2], 16).expect("a place"), unhex(&line[2..])))
                .collect();
            let parts: Vec<(u8, &Bytes)> = parts.iter().map(|(x, part)| (*x, part)).collect();
            let needed: usize = needed.parse().expect("a number");
            for choice in choices(&parts, needed) {
                assert_eq!(*combine(&choice), *unhex(secret));
            }
            for choice in choices(&parts, needed - 1) {
                assert_ne!(*combine(&choice), *unhex(secret));
            }
        }
    }

    #[test]
    fn what_is_split_is_combined_and_too_few_parts_fit_any_secret() {
        let bytes = |seed: u8| {
            Zeroizing::new(std::array::from_fn(|i| seed.wrapping_mul(89) ^ u8::try_from(i).unwrap_or(0)))
        };
        let (secret, coefficients) = (bytes(1), [bytes(2), bytes(3)]);
        let made: Vec<(u8, Bytes)> =
            [1, 2, 77, 255].into_iter().map(|x| (x, part(&secret, &coefficients, x))).collect();
        let made: Vec<(u8, &Bytes)> = made.iter().map(|(x, part)| (*x, part)).collect();
        for choice in choices(&made, 3) {
            assert_eq!(*combine(&choice), *secret);
        }
        // Two of three: for every other secret there is a third part that gives it.
        let other = bytes(9);
        let invented = |x: u8| {
            let mut third = Zeroizing::new([0; SECRET]);
            for (i, byte) in third.iter_mut().enumerate() {
                *byte = (0..=255)
                    .find(|guess| {
                        let mut filled = Zeroizing::new([0; SECRET]);
                        filled[i] = *guess;
                        combine(&[made[0], made[1], (x, &filled)])[i] == other[i]
                    })
                    .expect("each byte can be any");
            }
            third
        };
        let third = invented(77);
        assert_eq!(*combine(&[made[0], made[1], (77, &third)]), *other);
    }
}
