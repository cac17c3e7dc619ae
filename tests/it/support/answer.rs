//! What came back, whatever it was.
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use prost::Message;
use sealink::pb::buf::validate::Violations;
use serde_json::Value;

/// One whole HTTP answer of a Connect call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.expect("a whole body") }
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The answer of a call that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.value()
    }

    /// `OK`, or the error's code as gRPC spells it.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        if self.status.is_success() {
            return "OK".to_owned();
        }
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        self.text("code").to_ascii_uppercase()
    }

    /// The error's sentence.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.text("message")
    }

    /// The call was refused with this HTTP status and code, and says `words`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str, words: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.text("code").as_str()), (status, code), "{self:?}");
        assert!(self.message().contains(words), "{words:?} is not in {:?}", self.message());
        self
    }

    /// The call breaks a rule of `field`: in the sentence, and as the detail that programs read.
    #[track_caller]
    pub(crate) fn blames(&self, field: &str) -> &Self {
        self.refused(400, "invalid_argument", field);
        assert_eq!(self.fields().first().map(String::as_str), Some(field), "{self:?}");
        self
    }

    /// The paths of `buf.validate.Violations`.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<String> {
        let Some(detail) = self.detail("buf.validate.Violations") else { return Vec::new() };
        let violations = Violations::decode(&*detail).expect("violations").violations;
        violations.iter().map(|violation| path(violation.field.as_ref())).collect()
    }

    /// Whatever is blamed has the number and the type of its field. Only these are no fields: oneofs, and a header.
    #[track_caller]
    pub(crate) fn numbers_what_it_blames(&self) {
        const NO_FIELDS: [&str; 4] = ["config", "result", "type", "idempotency-key"];
        let Ok(value) = serde_json::from_slice::<Value>(&self.body) else { return };
        if value["details"].is_null() {
            return;
        }
        let Some(detail) = self.detail("buf.validate.Violations") else { return };
        let violations = Violations::decode(&*detail).expect("violations").violations;
        for element in violations.iter().flat_map(|one| &one.field).flat_map(|path| &path.elements) {
            let numbered = element.field_number.is_some() && element.field_type.is_some();
            let no_field = NO_FIELDS.contains(&element.field_name().to_ascii_lowercase().as_str());
            assert!(numbered || no_field, "{element:?}");
        }
    }

    /// The bytes of the detail of this type.
    #[track_caller]
    pub(crate) fn detail(&self, kind: &str) -> Option<Vec<u8>> {
        use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
        let value = self.value();
        let found = value["details"].as_array()?.iter().find(|detail| detail["type"] == kind)?;
        Some(STANDARD_NO_PAD.decode(found["value"].as_str()?).expect("base64 without padding"))
    }

    /// Everything a client can tell two answers apart by, save the id and the time of the request itself.
    pub(crate) fn visible(&self) -> (StatusCode, Vec<(String, Vec<u8>)>, Bytes) {
        let headers = self.headers.iter().filter(|(name, _)| *name != "x-request-id" && *name != "date");
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        (self.status, headers.collect(), self.body.clone())
    }

    #[track_caller]
    fn text(&self, member: &str) -> String {
        self.value()[member].as_str().unwrap_or_else(|| panic!("no {member}: {self:?}")).to_owned()
    }
}

fn path(field: Option<&sealink::pb::buf::validate::FieldPath>) -> String {
    let elements = field.map(|path| path.elements.as_slice()).unwrap_or_default();
    let name = |element: &sealink::pb::buf::validate::FieldPathElement| {
        let index = element.index.map(|index| format!("[{index}]")).unwrap_or_default();
        format!("{}{index}", element.field_name())
    };
    elements.iter().map(name).collect::<Vec<_>>().join(".")
}
