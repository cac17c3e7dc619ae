//! Sealink.
