//! `page` and `per_page`.
use serde::Serialize;
use utoipa::ToSchema;

use super::query::parameter;

/// What clients ask for by default, and what they get at most.
const DEFAULT: usize = 20;
const MOST: usize = 100;

/// Which page of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageNumber {
    page: usize,
    per_page: usize,
}

/// What is said of a page besides its rows.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Meta {
    pagination: Pagination,
}

/// Where a page stands in its list; pages count from 1.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Pagination {
    current_page: usize,
    prev_page: Option<usize>,
    next_page: Option<usize>,
    total_pages: usize,
    total_count: usize,
    per_page: usize,
}

impl PageNumber {
    /// Reads a query string. What is no number, or less than 1, is as if it were not there.
    pub(super) fn parse(query: Option<&str>) -> Self {
        let number = |name| parameter(query, name).parse().ok().filter(|number| *number > 0);
        let per_page = number("per_page").unwrap_or(DEFAULT).min(MOST);
        Self { page: number("page").unwrap_or(1), per_page }
    }

    /// The page of a whole list; none of it beyond its end.
    pub(super) fn cut<T>(self, items: Vec<T>) -> (Vec<T>, Meta) {
        let Self { page, per_page } = self;
        let total_count = items.len();
        let total_pages = total_count.div_ceil(per_page).max(1);
        let skipped = (page - 1).saturating_mul(per_page);
        let pagination = Pagination {
            current_page: page,
            prev_page: (page > 1).then(|| page - 1),
            next_page: (page < total_pages).then(|| page + 1),
            total_pages,
            total_count,
            per_page,
        };
        (items.into_iter().skip(skipped).take(per_page).collect(), Meta { pagination })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a50_wrong_pages_are_the_default() {
        for (query, page, per_page) in [
            ("", 1, 20),
            ("page=0&per_page=0", 1, 20),
            ("page=-1&per_page=-1", 1, 20),
            ("page=x&per_page=1.5", 1, 20),
            ("page=3&per_page=101", 3, 100),
            ("page=1000000000000", 1_000_000_000_000, 20),
            ("page=99999999999999999999999", 1, 20),
        ] {
            assert_eq!(PageNumber::parse(Some(query)), PageNumber { page, per_page }, "{query}");
        }
    }

    #[test]
    fn pages_say_where_they_stand() {
        let cut = |page, count: usize| {
            let (rows, meta) = PageNumber { page, per_page: 20 }.cut((0..count).collect::<Vec<_>>());
            (rows.len(), meta.pagination)
        };
        let page = |current_page, prev_page, next_page, total_pages, total_count| Pagination {
            current_page,
            prev_page,
            next_page,
            total_pages,
            total_count,
            per_page: 20,
        };
        assert_eq!(cut(1, 31), (20, page(1, None, Some(2), 2, 31)));
        assert_eq!(cut(2, 31), (11, page(2, Some(1), None, 2, 31)));
        assert_eq!(cut(1, 0), (0, page(1, None, None, 1, 0)));
        assert_eq!(cut(9, 31).0, 0);
        assert_eq!(cut(1_000_000_000_000, 31).0, 0);
    }
}
