//! Which kinds of keys are taken.
use std::ops::RangeInclusive;

use ssh_key::public::KeyData;

/// Which lengths of RSA keys sshd takes, in bits: <https://man.openbsd.org/sshd_config#RequiredRSASize>.
const RSA_BITS: RangeInclusive<usize> = 1_024..=16_384;

/// Refuses what sshd would not take: it skips such a line, and its owner would wonder.
pub(super) fn check(key: &KeyData) -> Result<(), &'static str> {
    match key {
        KeyData::Rsa(rsa) => {
            let numbers = rsa.n.as_positive_bytes().zip(rsa.e.as_positive_bytes());
            let (modulus, exponent) = numbers.ok_or("must be an RSA key with positive numbers")?;
            let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
            if RSA_BITS.contains(&bits) && odd(modulus) && odd(exponent) && exponent != [1] {
                Ok(())
            } else {
                Err("must be an RSA key of 1024 to 16384 bits, better 3072 and more")
            }
        }
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => {
            Ok(())
        }
        _ => Err("must be an Ed25519, ECDSA or RSA key, or one of a security key: sshd takes no other"),
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::super::SshPublicKey;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g nora@laptop";

    /// A line of numbers, each a string as RFC 4251 writes it.
    fn line(kind: &str, parts: &[&[u8]]) -> String {
        let strings = [&[kind.as_bytes()], parts].concat();
        let blob: Vec<u8> = strings
            .iter()
            .flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes(), *part].concat())
            .collect();
        format!("{kind} {}", STANDARD.encode(blob))
    }

    #[test]
    fn only_what_sshd_takes_is_taken() {
        let modulus = |bytes: usize| [&[0, 0x80][..], &vec![0x55; bytes - 1]].concat();
        let rsa = |bytes: usize| line("ssh-rsa", &[&[1, 0, 1], &modulus(bytes)]);
        for bytes in [128, 256, 512] {
            SshPublicKey::parse(&rsa(bytes)).unwrap_or_else(|error| panic!("{bytes}: {error}"));
        }
        for (wrong, why) in [
            (rsa(127), "1024"),
            (line("ssh-rsa", &[&[], &[]]), "RSA"),
            (line("ssh-rsa", &[&[1, 0, 1], &[0x7f]]), "1024"),
            (line("ssh-rsa", &[&[1], &modulus(256)]), "1024"),
            (line("ssh-rsa", &[&[2], &modulus(256)]), "1024"),
            (line("ssh-dss", &[&[3], &[3], &[2], &[1]]), "sshd"),
            (line("a@b", &[b""]), "sshd"),
            (line("cert-authority@x", &[b"zz"]), "sshd"),
            (KEY.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com "), "must be"),
        ] {
            let error = SshPublicKey::parse(&wrong).expect_err(&wrong);
            assert!(error.message().contains(why), "{wrong}: {error}");
        }
    }
}
