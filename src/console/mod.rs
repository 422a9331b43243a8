//! Serves the console and the API reference from the binary: pages, scripts and styles of the folder `console/` at the
//! root. The pages of the console are listed in `console/console.js` (`PAGES`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::app::App;
use crate::content_coding::Prepared;
use crate::extract::Path;
use crate::problem::Problem;

#[derive(RustEmbed)]
#[folder = "console/"]
struct Files;

/// The files that were requested so far, compressed once; by path. In a debug build files are read from disk, and
/// changed files are compressed again.
#[derive(Default)]
struct Pages(Mutex<HashMap<String, PreparedFile>>);

/// A file with the digest of its bytes.
type PreparedFile = ([u8; 32], Arc<Prepared>);

impl Pages {
    fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let Some(file) = Files::get(path) else {
            return Problem::not_found().into_response();
        };
        let hash = file.metadata.sha256_hash();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        let page = match known {
            Some((of, page)) if of == hash => page,
            _ => {
                let page = Arc::new(Prepared::new(&kind_of(&file), file.data.into_owned().into()));
                let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                pages.insert(path.to_owned(), (hash, Arc::clone(&page)));
                page
            }
        };
        page.respond(headers)
    }
}

/// `/`, `/docs` and `/console/…`.
pub fn routes() -> Router<Arc<App>> {
    let pages = Arc::new(Pages::default());
    let page = |path: &'static str| {
        let pages = Arc::clone(&pages);
        get(async move |headers: HeaderMap| pages.answer(path, &headers))
    };
    let (index, docs) = (page("index.html"), page("docs.html"));
    let any = get(async move |Path(path): Path<String>, headers: HeaderMap| pages.answer(&path, &headers));
    Router::new().route("/", index).route("/docs", docs).route("/console/{*path}", any)
}

/// The content type of a file. All text files are UTF-8.
fn kind_of(file: &EmbeddedFile) -> String {
    let kind = file.metadata.mimetype();
    let charset = if kind.starts_with("text/") { "; charset=utf-8" } else { "" };
    format!("{kind}{charset}")
}
