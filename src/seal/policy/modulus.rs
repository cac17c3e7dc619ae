//! Arithmetic on a modulus: weaknesses that can be seen without factoring it.
use rsa::BigUint;

/// Divisors below this are tried.
const SMALL: u32 = 752;
/// How many steps of Fermat's method are tried.
const FERMAT_ROUNDS: u32 = 110;
/// The primes of the ROCA test: modulo each of them, the powers of 65537 are a proper subgroup.
const ROCA_PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const ROCA_GENERATOR: u32 = 65_537;

/// Whether a number from 2 to 751 divides `n`.
pub(super) fn has_small_factor(n: &BigUint) -> bool {
    (2..SMALL).any(|divisor| remainder(n, divisor) == 0)
}

/// Whether `n` has the fingerprint of the broken Infineon library (Nemec et al., "The Return of
/// Coppersmith's Attack", 2017): modulo every one of the primes it is a power of 65537. A random modulus has
/// it with a probability below 2^-27.
pub(super) fn has_roca_fingerprint(n: &BigUint) -> bool {
    ROCA_PRIMES.iter().all(|&prime| is_power_of_generator(remainder(n, prime), prime))
}

fn is_power_of_generator(residue: u32, prime: u32) -> bool {
    let generator = ROCA_GENERATOR % prime;
    let mut power = 1;
    // The group has at most `prime - 1` elements.
    for _ in 1..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

/// Whether `n` is a perfect square, or Fermat's method finds two factors close to each other within a few
/// rounds: `a*a - n` is a square for an `a` just above the root of `n`.
pub(super) fn is_square_or_has_close_factors(n: &BigUint) -> bool {
    let root = integer_root(n);
    if &root * &root == *n {
        return true;
    }
    let first = root + 1_u32;
    let mut difference = &first * &first - n;
    for step in 0..FERMAT_ROUNDS {
        if is_square(&difference) {
            return true;
        }
        // (a + 1)^2 - n = a^2 - n + 2a + 1, and a = first + step.
        difference += &first + &first + (2 * step + 1);
    }
    false
}

/// Squares are rare modulo 64 and modulo 3465 = 9 * 5 * 7 * 11; the root is taken only of what passes both.
fn is_square(value: &BigUint) -> bool {
    let possible = |modulus: u32| {
        let residue = remainder(value, modulus);
        (0..modulus).any(|root| root * root % modulus == residue)
    };
    if !possible(64) || !possible(3_465) {
        return false;
    }
    let root = integer_root(value);
    &root * &root == *value
}

/// The integer part of the square root, by Newton's method from above.
fn integer_root(value: &BigUint) -> BigUint {
    let mut root = BigUint::from(1_u32) << (value.bits() / 2 + 1);
    loop {
        let next = (&root + value / &root) >> 1;
        if next >= root {
            return root;
        }
        root = next;
    }
}

fn remainder(n: &BigUint, divisor: u32) -> u32 {
    // The remainder is below the divisor, so it has at most one digit.
    (n % divisor).to_bytes_le().iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}
