//! The HTTP request that fleet may send to a web server: a `GET` without anything that could change its
//! meaning.

use std::fmt;

use crate::inventory::{HttpProbe, HttpSource, HttpUrl, Secret};

/// A `GET` that the inventory asks for, sent through the SSH connection to a server as the host sees it.
///
/// There is no other method and no body, and nothing but an [`HttpSource`] or an [`HttpProbe`] makes one:
///
/// ```compile_fail,E0451
/// fn sneak(url: fleet::inventory::HttpUrl) -> fleet::guard::HttpGet {
///     fleet::guard::HttpGet { url, headers: Vec::new() }
/// }
/// ```
///
/// ```compile_fail,E0277
/// let asked: fleet::guard::HttpGet = "http://127.0.0.1/delete".parse()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGet {
    url: HttpUrl,
    headers: Vec<(String, Secret)>,
}

impl HttpGet {
    /// The only method.
    const METHOD: &'static str = "GET";

    /// What `source` asks for. The inventory has refused headers that would make another request of it.
    #[must_use]
    pub fn of(source: &HttpSource) -> Self {
        Self {
            url: source.url.clone(),
            headers: source.headers.clone(),
        }
    }

    /// What `probe` asks for.
    #[must_use]
    pub fn of_probe(probe: &HttpProbe) -> Self {
        Self {
            url: probe.url.clone(),
            headers: Vec::new(),
        }
    }

    /// Where it goes, and what is asked for there.
    #[must_use]
    pub fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// What is sent along, and where its values are.
    #[must_use]
    pub fn headers(&self) -> &[(String, Secret)] {
        &self.headers
    }
}

/// For people: without the query and without headers.
impl fmt::Display for HttpGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Self::METHOD, self.url)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn neither_query_nor_secrets_are_shown() {
        let get = HttpGet::of(&HttpSource {
            url: "http://127.0.0.1:4000/a?key=hunter2"
                .parse()
                .expect("a URL"),
            headers: vec![("X-Key".to_owned(), Secret::Text("hunter2".to_owned()))],
            status: 200,
            normalise_json: false,
            timeout: Duration::from_secs(1),
            max_bytes: 1,
            file: None,
        });
        assert_eq!(get.to_string(), "GET http://127.0.0.1:4000/a?…");
        assert_eq!(
            format!("{get:?}"),
            "HttpGet { url: HttpUrl(http://127.0.0.1:4000/a?…), headers: [(\"X-Key\", Text(…))] }"
        );
        assert_eq!(get.url().target(), "/a?key=hunter2");
    }
}
