//! The admin key, of which only a digest is kept.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest key. Bytes; whatever is longer is no key, and is not even hashed.
pub(super) const KEY_BYTES_MAX: usize = 4096;

/// A key shorter than this is remarked on. Bytes.
pub(super) const SHORT_BYTES: usize = 16;

/// The admin key. Its text stays where it came from: the environment or the settings file.
#[derive(Clone)]
pub struct AdminKey([u8; 32]);

impl AdminKey {
    /// The key with this text; `None` if it is empty, which means that there is no admin.
    pub(super) fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(Sha256::digest(text).into()))
    }

    /// Whether a caller's key is this one. Takes equally long whatever the two have in common.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        if key.len() > KEY_BYTES_MAX {
            return false;
        }
        let digest: [u8; 32] = Sha256::digest(key).into();
        digest.ct_eq(&self.0).into()
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminKey(..)")
    }
}
