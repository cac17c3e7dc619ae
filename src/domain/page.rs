//! Pages of lists: sizes, positions, and what a page token is bound to.
use uuid::Uuid;

use crate::error::{Error, Result};

const DEFAULT_SIZE: u16 = 25;

/// How many rows a page has: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// One row.
    pub const SMALLEST: Self = Self(1);

    /// Reads a request's page size; 0 means 25.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) below 0 or over 100: sizes are not clamped.
    pub fn parse(size: i32) -> Result<Self> {
        match u16::try_from(size) {
            Ok(0) => Ok(Self(DEFAULT_SIZE)),
            Ok(size @ 1..=100) => Ok(Self(size)),
            _ => Err(Error::invalid(
                "pagination.page_size",
                "int32.gte_lte",
                "value must be greater than or equal to 0 and less than or equal to 100",
            )),
        }
    }

    /// The number of rows.
    #[must_use]
    pub const fn rows(self) -> usize {
        self.0 as usize
    }

    /// One more than the page holds, to learn whether there is a next one.
    #[must_use]
    pub fn with_lookahead(self) -> i64 {
        i64::from(self.0) + 1
    }
}

/// Where a page starts: after this key of the list's order. Nil is before everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After(pub Uuid);

impl After {
    /// The start of the list.
    pub const START: Self = Self(Uuid::nil());
}

/// Which page a caller asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many rows.
    pub size: PageSize,
    /// Where it starts.
    pub after: After,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its rows, at most as many as asked for.
    pub rows: Vec<T>,
    /// The key of the last row, if there are more.
    pub next: Option<After>,
}

impl<T> Page<T> {
    /// Cuts `rows`, read with one row of look-ahead, to a page.
    pub fn cut(mut rows: Vec<T>, size: PageSize, key: impl Fn(&T) -> Uuid) -> Self {
        let more = rows.len() > size.rows();
        rows.truncate(size.rows());
        let next = rows.last().filter(|_| more).map(|row| After(key(row)));
        Self { rows, next }
    }

    /// The same page of what `change` makes of its rows.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(change).collect(), next: self.next }
    }

    /// One page of several lists that are in the same order, of pages of `size` that start at the same place.
    /// A row that is in more than one of them is taken from the first.
    pub fn merge(pages: Vec<Self>, size: PageSize, key: impl Fn(&T) -> Uuid) -> Self {
        let more = pages.iter().any(|page| page.next.is_some());
        let mut rows: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
        rows.sort_by_key(&key);
        rows.dedup_by_key(|row| key(row));
        let mut merged = Self::cut(rows, size, &key);
        if more && merged.next.is_none() {
            merged.next = merged.rows.last().map(|row| After(key(row)));
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &[(u128, char)], more: bool) -> Page<(u128, char)> {
        let next = rows.last().filter(|_| more).map(|row| After(Uuid::from_u128(row.0)));
        Page { rows: rows.to_vec(), next }
    }

    fn merged(pages: Vec<Page<(u128, char)>>, size: i32) -> (Vec<(u128, char)>, Option<u128>) {
        let size = PageSize::parse(size).expect("a size");
        let merged = Page::merge(pages, size, |row| Uuid::from_u128(row.0));
        (merged.rows, merged.next.map(|after| after.0.as_u128()))
    }

    #[test]
    fn merging_keeps_order_the_first_of_equals_and_whether_there_is_more() {
        let (one, other) = (page(&[(1, 'a'), (4, 'a')], false), page(&[(1, 'b'), (2, 'b')], false));
        assert_eq!(merged(vec![one.clone(), other], 5), (vec![(1, 'a'), (2, 'b'), (4, 'a')], None));
        let other = page(&[(2, 'b'), (3, 'b')], true);
        assert_eq!(merged(vec![one.clone(), other.clone()], 2), (vec![(1, 'a'), (2, 'b')], Some(2)));
        // Equal rows leave room on the page, but the list goes on.
        let same = page(&[(1, 'b'), (4, 'b')], true);
        assert_eq!(merged(vec![one, same], 2), (vec![(1, 'a'), (4, 'a')], Some(4)));
        assert_eq!(merged(vec![], 2), (vec![], None));
    }
}
