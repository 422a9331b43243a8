//! In which content coding an answer is sent: gzip where the client takes it, the plain bytes otherwise.

use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

/// Whether `Accept-Encoding` names gzip, or any coding, and does not weigh it with zero (RFC 9110, 12.5.3).
pub fn takes_gzip(wanted: &HeaderMap) -> bool {
    let values = wanted.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut any) = (None, None);
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|weight| weight.strip_prefix('='));
        let is_taken = !weight.and_then(|weight| weight.parse::<f32>().ok()).is_some_and(|weight| weight <= 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => gzip = Some(is_taken),
            "*" => any = Some(is_taken),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

/// Gives the plain bytes to whoever does not take gzip, also to a client that refuses both. `CompressionLayer` looks at the
/// header after the request has been answered: it would turn an order that is placed into a 406.
pub async fn fall_back_to_plain(mut request: Request, next: Next) -> Response {
    if !takes_gzip(request.headers()) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    next.run(request).await
}
