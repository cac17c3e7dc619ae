//! Lists that a forge cuts into pages.
use http::{HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use super::{Result, api::Api};
use crate::domain::forge::Listed;

/// The most pages of one list: servers may be set to send shorter ones than are asked for.
pub(crate) const MOST_PAGES: usize = 100;

/// How a forge cuts its lists.
#[derive(Clone, Copy)]
pub(crate) struct Paging {
    /// The parameter that says how long a page is.
    pub(crate) size_name: &'static str,
    /// The longest there is; a page may be shorter for all that.
    pub(crate) size: usize,
}

/// A list of a forge, and who asks for it.
pub(crate) struct List<'a> {
    /// The credential, as a header.
    pub(crate) who: (HeaderName, HeaderValue),
    /// Where it is, below the base of the API.
    pub(crate) path: &'a [&'a str],
    /// What is asked besides the page.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// Its pages.
    pub(crate) paging: Paging,
}

/// How much of a list is read.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Pages.
    pub(crate) pages: usize,
    /// Entries, whether they are wanted or not.
    pub(crate) read: usize,
    /// Entries that are wanted.
    pub(crate) kept: usize,
}

/// A page as it is sent: its entries alone, or among other members.
pub(crate) trait Page: DeserializeOwned + Send {
    /// What is listed.
    type Item: Send;

    /// The entries.
    fn items(self) -> Vec<Self::Item>;
}

impl<T: DeserializeOwned + Send> Page for Vec<T> {
    type Item = T;

    fn items(self) -> Self {
        self
    }
}

impl Bounds {
    /// Up to so many entries, all of them wanted.
    pub(crate) const fn of(most: usize) -> Self {
        Self { pages: MOST_PAGES, read: most, kept: most }
    }
}

impl Api {
    /// Reads a list page by page, but no more than `most` entries.
    pub(crate) async fn all<T: DeserializeOwned + Send>(
        &self,
        list: List<'_>,
        most: usize,
    ) -> Result<Listed<T>> {
        self.matching::<Vec<T>>(list, Bounds::of(most), |_| true).await
    }

    /// Reads a list page by page, until it ends or a bound is reached, and keeps what fits.
    pub(crate) async fn matching<P: Page>(
        &self,
        list: List<'_>,
        bounds: Bounds,
        fits: impl Fn(&P::Item) -> bool + Send,
    ) -> Result<Listed<P::Item>> {
        let List { who, path, query, paging } = list;
        let size = paging.size.to_string();
        let (mut items, mut read) = (Vec::new(), 0);
        for page in 1..=bounds.pages {
            let page = page.to_string();
            let parameters = [("page", page.as_str()), (paging.size_name, size.as_str())];
            let query = [query, &parameters].concat();
            let (found, answer) = self.get::<P>(Some(who.clone()), path, &query).await?;
            let (found, more) = (found.items(), answer.says_more());
            let (count, room) = (found.len(), bounds.read - read);
            items.extend(found.into_iter().take(room).filter(|item| fits(item)));
            read += count.min(room);
            // An empty page is the end, whatever is said of the next one.
            if !more || count == 0 || read == bounds.read || items.len() >= bounds.kept {
                let truncated = more || count > room || items.len() > bounds.kept;
                items.truncate(bounds.kept);
                return Ok(Listed { items, truncated });
            }
        }
        Ok(Listed { items, truncated: true })
    }
}
