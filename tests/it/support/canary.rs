//! A secret in every spelling in which it could get out.
use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// How many bytes of each spelling are looked for at first.
const BEGINNING: usize = 24;

/// Something that must appear nowhere but where it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Canary {
    pub(crate) name: String,
    /// Every spelling a leak could have.
    spellings: Vec<Vec<u8>>,
}

impl Canary {
    pub(crate) fn new(name: &str, secret: &[u8]) -> Self {
        let hex = hex(secret);
        let list = format!("{secret:?}");
        let mut spellings = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        // As `Debug` prints bytes, within a longer list too.
        spellings.push(list.as_bytes()[1..list.len() - 1].to_vec());
        // In base64 what surrounds a secret shifts it by 0 to 2 bytes; the first and last characters blend.
        for shift in 0..3 {
            let shifted = [&vec![0; shift][..], secret].concat();
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let text = engine.encode(&shifted);
                let (first_whole, end) = ([0, 2, 3][shift], shifted.len() / 3 * 4);
                spellings.push(text.as_bytes()[first_whole..end].to_vec());
            }
        }
        spellings.sort();
        spellings.dedup();
        Self { name: name.to_owned(), spellings }
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        self.spellings.iter().any(|spelling| memchr::memmem::find(text, spelling).is_some())
    }
}

/// Those of thousands that are in a long text: one look for the beginnings of all their spellings, then one for each
/// that may be there.
pub(crate) fn found_in<'c>(canaries: &'c [Canary], text: &[u8]) -> Vec<&'c Canary> {
    let spellings = canaries.iter().enumerate().flat_map(|(at, canary)| {
        let beginnings = canary.spellings.iter().map(|spelling| &spelling[..spelling.len().min(BEGINNING)]);
        beginnings.map(move |beginning| (beginning, at))
    });
    let (beginnings, whose): (Vec<_>, Vec<_>) = spellings.unzip();
    let search = AhoCorasick::new(beginnings).expect("few enough spellings");
    let suspects: BTreeSet<_> = search.find_overlapping_iter(text).map(|hit| whose[hit.pattern()]).collect();
    suspects.into_iter().map(|at| &canaries[at]).filter(|canary| canary.is_in(text)).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
