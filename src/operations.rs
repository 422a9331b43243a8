//! The operations of the API by route: which operation a request calls.

use std::collections::HashMap;

use axum::http::Method;

use crate::permission::Operation;

/// The operations of the API by route template and method.
#[derive(Debug, Default)]
pub struct Operations(HashMap<String, Vec<(Method, Operation)>>);

impl Operations {
    /// Adds the operation of a method of a route.
    pub fn add(&mut self, template: String, method: Method, operation: Operation) {
        self.0.entry(template).or_default().push((method, operation));
    }

    /// Whether some route calls this operation.
    pub fn contains(&self, operation: Operation) -> bool {
        self.0.values().flatten().any(|(_, routed)| *routed == operation)
    }

    /// The operation of a request; `None` if no route template matched, or the template is not of the API.
    pub fn of(&self, method: &Method, template: Option<&str>) -> Option<Operation> {
        // A HEAD request is handled by the GET of the same path.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let of_template = self.0.get(template?)?;
        of_template.iter().find(|(of_method, _)| of_method == method).map(|(_, operation)| *operation)
    }
}
