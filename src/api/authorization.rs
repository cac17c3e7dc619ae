//! The `Authorization` header.
use axum::http::{HeaderMap, header};

/// What follows the scheme in exactly one `Authorization` header.
pub(super) fn authorization<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (found, rest) = value.to_str().ok()?.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_of_the_scheme_counts() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            authorization(&headers, "bearer").map(str::to_owned)
        };
        for one in ["Bearer x", "bearer x", "BEARER  x "] {
            assert_eq!(read(&[one]).as_deref(), Some("x"), "{one}");
        }
        for none in [&[][..], &["Bearer x", "Bearer x"], &["Basic x"], &["Bearer"], &["Bearerx"]] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}
