//! What a JSON parser that skips unknown members does not see.
use std::{borrow::Cow, ops::Range};

/// Objects and arrays inside each other; `serde_json` counts only those it does not skip.
const MAX_DEPTH: usize = 128;

/// Looks once over a text for what must be refused wherever it stands: nesting deeper than [`MAX_DEPTH`],
/// duplicate names, half surrogate pairs, numbers beyond every number type. Answers the ranges of the members
/// whose value is `null`, each with one comma.
///
/// It relies on nobody: on a text that is not JSON it may find nothing, which the parser then does.
///
/// # Errors
/// The offset of what is refused.
pub(super) fn scan(text: &str) -> Result<Vec<Range<usize>>, usize> {
    let mut scanner = Scanner { text, at: 0, open: Vec::new(), names: Vec::new(), nulls: Vec::new() };
    while let Some(byte) = text.as_bytes().get(scanner.at) {
        scanner.step(*byte)?;
    }
    Ok(scanner.nulls)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open>,
    /// Names of all open objects, innermost last.
    names: Vec<Cow<'a, str>>,
    nulls: Vec<Range<usize>>,
}

/// An object or array whose end has not come.
enum Open {
    Array,
    Object(Object),
}

#[derive(Default)]
struct Object {
    /// Index of its first name in [`Scanner::names`].
    names: usize,
    /// A value comes next, not a name.
    in_value: bool,
    /// Offset of the present member's name.
    member: usize,
    /// Offset of the comma in front of the present member.
    comma: usize,
    /// A member that is not null was seen.
    kept: bool,
}

impl Scanner<'_> {
    fn step(&mut self, byte: u8) -> Result<(), usize> {
        match byte {
            b'"' => self.string()?,
            b'{' => {
                let names = self.names.len();
                self.value();
                self.push(Open::Object(Object { names, ..Object::default() }))?;
            }
            b'[' => {
                self.value();
                self.push(Open::Array)?;
            }
            b'}' | b']' => self.close()?,
            b',' => self.comma(),
            b'n' if self.text.as_bytes()[self.at..].starts_with(b"null") => self.null(),
            b'-' | b'0'..=b'9' => self.number()?,
            b't' | b'f' => {
                self.value();
                self.at += 1;
            }
            _ => self.at += 1,
        }
        Ok(())
    }

    fn push(&mut self, open: Open) -> Result<(), usize> {
        self.open.push(open);
        if self.open.len() > MAX_DEPTH {
            return Err(self.at);
        }
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), usize> {
        if let Some(Open::Object(object)) = self.open.pop() {
            let names = self.names.get_mut(object.names..).unwrap_or_default();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(self.at);
            }
            self.names.truncate(object.names);
        }
        self.at += 1;
        Ok(())
    }

    /// A value that is not null begins.
    fn value(&mut self) {
        if let Some(Open::Object(object)) = self.open.last_mut() {
            object.kept = true;
        }
    }

    fn comma(&mut self) {
        let at = self.at;
        if let Some(Open::Object(object)) = self.open.last_mut() {
            object.in_value = false;
            object.comma = at;
            if !object.kept {
                self.nulls.push(at..at + 1);
            }
        }
        self.at += 1;
    }

    fn null(&mut self) {
        let end = self.at + "null".len();
        if let Some(Open::Object(object)) = self.open.last_mut()
            && object.in_value
        {
            self.nulls.push(if object.kept { object.comma } else { object.member }..end);
        }
        self.at = end;
    }

    fn number(&mut self) -> Result<(), usize> {
        self.value();
        let rest = &self.text[self.at..];
        let length =
            rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = &rest[..length];
        let may_overflow = length > 300 || number.contains(['e', 'E']);
        if may_overflow && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(self.at);
        }
        self.at += length;
        Ok(())
    }

    fn string(&mut self) -> Result<(), usize> {
        let start = self.at + 1;
        let (end, escaped) = self.skip_string(start)?;
        let text = self.text;
        let Some(Open::Object(object)) = self.open.last_mut() else { return Ok(()) };
        if object.in_value {
            object.kept = true;
            return Ok(());
        }
        object.in_value = true;
        object.member = start - 1;
        self.names.push(if escaped {
            Cow::Owned(serde_json::from_str(&text[start - 1..=end]).map_err(|_| start)?)
        } else {
            Cow::Borrowed(&text[start..end])
        });
        Ok(())
    }

    /// Moves behind the closing quote and answers its offset, and whether there were escapes.
    ///
    /// # Errors
    /// Where the string that never closes began, or where half a surrogate pair stands.
    fn skip_string(&mut self, start: usize) -> Result<(usize, bool), usize> {
        let bytes = self.text.as_bytes();
        let (mut at, mut escaped) = (start, false);
        while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
            at += found;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok((at, escaped));
            }
            escaped = true;
            at += escape(&bytes[at..]).ok_or(at)?;
        }
        Err(start)
    }
}

/// Length of the escape a text starts with; `None` for half a surrogate pair.
fn escape(text: &[u8]) -> Option<usize> {
    match unit(text) {
        Some(0xD800..=0xDBFF) => match unit(text.get(6..)?) {
            Some(0xDC00..=0xDFFF) => Some(12),
            _ => None,
        },
        Some(0xDC00..=0xDFFF) => None,
        _ => Some(text.len().min(2)),
    }
}

/// The UTF-16 unit that an escape such as `\u00e9` stands for.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_nulls(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for range in scan(text).unwrap() {
            bytes[range].fill(b' ');
        }
        String::from_utf8(bytes).unwrap().split_whitespace().collect()
    }

    #[test]
    fn nulls_leave_one_comma_between_the_others() {
        for (text, expected) in [
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":null,"b":null}"#, "{}"),
            (r#"{"a":null,"b":1,"c":null,"d":null,"e":2}"#, r#"{"b":1,"e":2}"#),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
            (r#"{"a":{"b":null,"c":[null,{"d":null}]},"e":null}"#, r#"{"a":{"c":[null,{}]}}"#),
            (r#"{"a":"null","null":"x"}"#, r#"{"a":"null","null":"x"}"#),
        ] {
            assert_eq!(without_nulls(text), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_parsers_skip() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":null,"b":[],"a":null}}"#,
            r#"{"x":"\ud800"}"#,
            r#"{"x":"\udc00\ud800"}"#,
            r#"{"x":1e400}"#,
        ] {
            assert!(scan(text).is_err(), "{text}");
        }
        assert!(scan(&"[".repeat(129)).is_err());
        assert!(scan(&"[".repeat(128)).is_ok());
        assert!(scan(r#"{"x":"\ud83d\ude00 \\u \"","y":1e300,"z":{"x":1}}"#).is_ok());
    }

    #[test]
    fn survives_what_is_not_json() {
        for text in [
            "",
            "}}]]",
            "{,,}",
            "{null",
            "{\"a\"null}",
            "\\u12",
            "-",
            "é",
            "{é",
            "{\"\\é\":é}",
            "\u{1f600}null",
        ] {
            let _ = scan(text);
        }
        for unclosed in ["\"", "\"\\", "{\"", "{\"\\ud800", "{\"é", "{\"a\":\"é", "{\"\\é", "{\"\u{1f600}\\"]
        {
            assert!(scan(unclosed).is_err(), "{unclosed}");
        }
    }
}
