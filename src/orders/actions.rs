//! Use cases of orders. Each runs in a unit of work that its caller opens: HTTP handlers, offline operations and
//! background jobs call the same functions.

pub mod accept_quote;
pub mod overdue;
pub mod place;
pub mod price;
pub mod promise;
pub mod quotes;
pub mod slots;
pub mod status;
