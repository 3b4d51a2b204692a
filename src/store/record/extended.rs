//! The extended metadata of an entry as JSON: a digest of each class that it has.

use serde::{Deserialize, Serialize};

use super::RecordError;
use crate::digest::Sha256;
use crate::manifest::{Extended, ExtendedClass};

/// The field `extended`. An empty one says that there is nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExtendedRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    xattrs: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selinux: Option<String>,
}

impl ExtendedRecord {
    pub(super) fn of(extended: &Extended) -> Self {
        let digest = |class| extended.digest(class).map(|sha256| sha256.to_string());
        Self {
            xattrs: digest(ExtendedClass::Xattrs),
            acl: digest(ExtendedClass::Acl),
            capabilities: digest(ExtendedClass::Capabilities),
            selinux: digest(ExtendedClass::Selinux),
        }
    }

    pub(super) fn extended(self) -> Result<Extended, RecordError> {
        let digest = |text: Option<String>| -> Result<Option<Sha256>, RecordError> {
            text.map(|text| text.parse().map_err(RecordError::of))
                .transpose()
        };
        // In the order of `ExtendedClass::ALL`.
        Ok(Extended::new([
            digest(self.xattrs)?,
            digest(self.acl)?,
            digest(self.capabilities)?,
            digest(self.selinux)?,
        ]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back_under_the_name_of_their_class() {
        let digest = |text: &str| Some(Sha256::of(text.as_bytes()));
        let extended = Extended::new([digest("x"), digest("a"), None, digest("s")]);
        let text = serde_json::to_string(&ExtendedRecord::of(&extended)).expect("plain JSON");
        assert_eq!(
            text,
            format!(
                r#"{{"xattrs":"{}","acl":"{}","selinux":"{}"}}"#,
                Sha256::of(b"x"),
                Sha256::of(b"a"),
                Sha256::of(b"s")
            )
        );
        let read = |text: &str| {
            let record: ExtendedRecord = serde_json::from_str(text).expect("a record");
            record.extended()
        };
        assert_eq!(read(&text), Ok(extended.clone()));
        assert_eq!(read(r#"{"later":1}"#), Ok(Extended::default()));
        let problem = read(r#"{"acl":"00"}"#).expect_err("no digest").to_string();
        assert!(
            problem.contains("`00` is not a SHA-256 digest"),
            "{problem}"
        );
        for class in ExtendedClass::ALL {
            assert_eq!(
                extended.digest(class).is_none(),
                class == ExtendedClass::Capabilities
            );
        }
    }
}
