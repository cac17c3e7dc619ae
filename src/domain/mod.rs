//! Types that cannot hold wrong values, and the rules between them: no I/O, no clock, no wire.
pub mod id;
pub mod secret;
