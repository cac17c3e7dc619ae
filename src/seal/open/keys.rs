//! Private keys: made, kept and used on the runner's machine only.
use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::{
    aead::{Aad, Nonce},
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey},
};
use rsa::pkcs8::der::pem::{self, LineEnding};
use zeroize::{Zeroize, Zeroizing};

use super::{OpenError, check::Checked};
use crate::{
    domain::secret::Kid,
    error::{Error, Result},
    seal::{Algorithm, PublicKey, jwe, random},
};

#[expect(
    clippy::disallowed_types,
    reason = "the agent's key: this module is the only place that opens boxes"
)]
type BoxSecretKey = crypto_box::SecretKey;

const PEM_LABEL: &str = "PRIVATE KEY";
/// The PKCS#8 encoding of an X25519 key (RFC 8410) up to its 32 bytes.
const X25519_PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";

/// A runner's private key and its public half. Prints as its kid; its memory is wiped by the libraries.
pub struct PrivateKey {
    material: Material,
    public: PublicKey,
}

enum Material {
    Rsa(Box<PrivateDecryptingKey>),
    X25519(Box<BoxSecretKey>),
}

impl PrivateKey {
    /// Makes an RSA key of 2048, 3072 or 4096 bits. Takes 50 ms to some seconds: run it on a blocking thread.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for another size,
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the library fails.
    pub fn generate_rsa(bits: u32) -> Result<Self> {
        let size = match bits {
            2_048 => KeySize::Rsa2048,
            3_072 => KeySize::Rsa3072,
            4_096 => KeySize::Rsa4096,
            _ => return Err(Error::invalid("bits", "sealink.key_bits", "value must be 2048, 3072 or 4096")),
        };
        Self::from_rsa(PrivateDecryptingKey::generate(size).map_err(Error::internal)?)
    }

    /// Makes an X25519 key.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the system's random source fails.
    pub fn generate_x25519() -> Result<Self> {
        Ok(Self::from_x25519(&*random::bytes()?))
    }

    /// The X25519 key with these 32 bytes.
    #[must_use]
    pub fn from_x25519(bytes: &[u8; 32]) -> Self {
        let key = BoxSecretKey::from_bytes(*bytes);
        let public = PublicKey::X25519(crate::seal::key::X25519Key::new(key.public_key().to_bytes()));
        Self { material: Material::X25519(Box::new(key)), public }
    }

    /// Reads one PEM block `PRIVATE KEY` (PKCS#8): RSA of an allowed size, or X25519.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for anything else, without saying what is in it.
    pub fn from_pem(text: &str) -> Result<Self> {
        let refuse =
            || Error::invalid("private_key", "sealink.private_key", "value must be one PKCS#8 key in PEM");
        let (label, der) = pem::decode_vec(text.trim_ascii().as_bytes()).map_err(|_| refuse())?;
        let der = Zeroizing::new(der);
        if label != PEM_LABEL {
            return Err(refuse());
        }
        if let Some(raw) = der.strip_prefix(&X25519_PKCS8) {
            return raw.try_into().map(Self::from_x25519).map_err(|_| refuse());
        }
        Self::from_rsa(PrivateDecryptingKey::from_pkcs8(&der).map_err(|_| refuse())?)
    }

    /// The key as one PEM block `PRIVATE KEY` (PKCS#8), wiped when dropped. Write it with mode 0600.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the library cannot encode it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>> {
        let der: Zeroizing<Vec<u8>> = Zeroizing::new(match &self.material {
            Material::Rsa(key) => {
                let der: Pkcs8V1Der<'_> = key.as_der().map_err(Error::internal)?;
                der.as_ref().to_vec()
            }
            Material::X25519(key) => [X25519_PKCS8.as_slice(), &*Zeroizing::new(key.to_bytes())].concat(),
        });
        let pem = pem::encode_string(PEM_LABEL, LineEnding::LF, &der);
        pem.map(Zeroizing::new).map_err(|_| Error::internal("a private key cannot be encoded"))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    fn from_rsa(key: PrivateDecryptingKey) -> Result<Self> {
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(Error::internal)?;
        let public = PublicKey::from_stored(Algorithm::Rsa, public.as_ref())?;
        if !matches!(public.bits(), 2_048 | 3_072 | 4_096) {
            return Err(Error::invalid(
                "private_key",
                "sealink.private_key",
                "an RSA key must have 2048, 3072 or 4096 bits",
            ));
        }
        Ok(Self { material: Material::Rsa(Box::new(key)), public })
    }

    /// Opens a box with this key.
    pub(super) fn unseal(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match &self.material {
            Material::X25519(key) => {
                key.unseal(sealed).map(Zeroizing::new).map_err(|_| OpenError::Undecryptable)
            }
            Material::Rsa(_) => Err(OpenError::Undecryptable),
        }
    }

    fn unwrap_cek(&self, ek: &[u8]) -> Option<Zeroizing<[u8; jwe::CEK_BYTES]>> {
        let Material::Rsa(key) = &self.material else { return None };
        let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::clone(key)).ok()?;
        let mut buffer = Zeroizing::new(vec![0; key.min_output_size()]);
        let cek: &[u8] = key.decrypt(&OAEP_SHA256_MGF1SHA256, ek, &mut buffer, None).ok()?;
        cek.try_into().ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.kid())
    }
}

/// All private keys of one runner, by kid: the ACTIVE one and those that ciphertexts still name.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, PrivateKey>,
    rsa_operations: AtomicU64,
}

impl KeyRing {
    /// A ring of these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PrivateKey>) -> Self {
        let keys = keys.into_iter().map(|key| (key.public().kid().0.clone(), key)).collect();
        Self { keys, rsa_operations: AtomicU64::new(0) }
    }

    /// The key with this kid.
    #[must_use]
    pub fn get(&self, kid: &Kid) -> Option<&PrivateKey> {
        self.keys.get(&kid.0)
    }

    /// All keys, ordered by kid.
    pub fn iter(&self) -> impl Iterator<Item = &PrivateKey> {
        self.keys.values()
    }

    /// How many RSA private-key operations this ring has done, failed ones included.
    #[must_use]
    pub fn rsa_operations(&self) -> u64 {
        self.rsa_operations.load(Ordering::Relaxed)
    }

    /// Unwraps the content key and decrypts the content: the only RSA private-key operation of the crate.
    pub(super) fn unwrap_token(
        &self,
        key: &PrivateKey,
        token: &Checked,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.rsa_operations.fetch_add(1, Ordering::Relaxed);
        let token = token.parts();
        let cek = key.unwrap_cek(&token.ek).ok_or(OpenError::Undecryptable)?;
        let cipher = jwe::content_cipher(&*cek).map_err(|_| OpenError::Undecryptable)?;
        let mut buffer = Zeroizing::new([token.ct.as_slice(), &token.tag].concat());
        let nonce = Nonce::assume_unique_for_key(token.iv);
        let aad = Aad::from(token.encoded_header.as_bytes());
        let length =
            cipher.open_in_place(nonce, aad, &mut buffer).map_err(|_| OpenError::Undecryptable)?.len();
        // Of the tag's bytes nothing may remain; the plaintext stands at the front.
        buffer[length..].zeroize();
        buffer.truncate(length);
        Ok(buffer)
    }
}
