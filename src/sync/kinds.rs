//! The kinds of offline operations and their payloads. How to add one: CONTRIBUTING.md, "Add an offline operation".

use std::str::FromStr;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use crate::accounts::profile::Locale;
use crate::bounded;
use crate::coupons::CouponCode;
use crate::extract::read_json;
use crate::fulfilment::Fulfilment;
use crate::ids::{ItemId, ModifierId, OrderId, RestaurantId};
use crate::menu::configure::Choice;
use crate::money::{self, Money};
use crate::orders::OrderStatus;
use crate::orders::request::LineInput;
use crate::place::Place;
use crate::problem::Problem;
use crate::text::{MultiLine, SingleLine};
use crate::timestamp::Timestamp;

/// Places an order from its lines.
pub const PLACE_ORDER: &str = "order.place";
/// Changes the status of an order.
pub const ORDER_STATUS: &str = "order.status";
/// Changes the stock of an item or a modifier.
pub const STOCK: &str = "stock.change";
/// Writes a line of a cart; the latest write wins.
pub const CART_LINE: &str = "cart.line";
/// Writes fields of the profile; the latest write of each field wins.
pub const PROFILE: &str = "profile.fields";

/// An order with its lines, placed while the device was offline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineOrder)]
pub struct OfflineOrder {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The lines of the order.
    #[serde(deserialize_with = "bounded::list::<_, _, 100>")]
    pub lines: Vec<LineInput>,
    /// The kind of fulfilment.
    pub fulfilment: Fulfilment,
    /// The delivery address, for a delivery.
    #[schema(inline)]
    pub address: Option<MultiLine<300>>,
    /// The coordinates of the delivery address, for a delivery.
    pub place: Option<Place>,
    /// The table, for dine-in.
    #[schema(inline)]
    pub table: Option<SingleLine<40>>,
    /// A note for the whole order.
    #[schema(inline)]
    pub note: Option<MultiLine<500>>,
    /// The tip of the order.
    pub tip: Option<Money>,
    /// The code of a coupon; it must be valid when the order is placed.
    #[schema(inline)]
    pub coupon_code: Option<CouponCode>,
    /// Any instant of the requested slot; absent: as soon as possible after the device is online again.
    pub scheduled_for: Option<Timestamp>,
    /// The total that the customer was shown; if the order costs anything else, it is refused. It may be larger than
    /// other amounts of clients, because it is a sum of the server's prices.
    #[serde(default, deserialize_with = "money::stored_if_any")]
    pub expected_total: Option<Money>,
}

/// The new status of an order, given by its id or by the operation that places it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineStatus)]
pub struct OfflineStatusUpdate {
    /// The order to change; absent: the one that an earlier operation places.
    pub order_id: Option<OrderId>,
    /// The `opId` of this device's operation that places the order.
    #[schema(inline)]
    pub order_op: Option<SingleLine<64>>,
    /// The new status.
    pub status: OrderStatus,
    /// The reason; required for the transitions for which the status table says so.
    #[schema(inline)]
    pub reason: Option<MultiLine<500>>,
    /// For a cancellation from PREPARING on: true returns the portions of counted items to stock. Earlier cancellations
    /// always return them. Default: false.
    pub return_stock: Option<bool>,
    /// The version that the order must have.
    pub version: Option<i64>,
}

/// A change of stock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineStock)]
pub struct OfflineStockChange {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The item; or else `modifierId`.
    pub item_id: Option<ItemId>,
    /// The modifier; or else `itemId`.
    pub modifier_id: Option<ModifierId>,
    /// The new count; null: stock is not counted any more.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<u32>)]
    pub stock: Option<Option<u32>>,
    /// The change, positive or negative.
    pub change: Option<i32>,
}

/// The new content of a cart line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineCartLine)]
pub struct OfflineCartLine {
    /// The id of the restaurant.
    pub restaurant_id: RestaurantId,
    /// The key of the line, set by the client.
    #[schema(inline)]
    pub key: SingleLine<64>,
    /// The quantity; 0 removes the line.
    pub quantity: u8,
    /// The id of the menu item.
    pub item_id: Option<ItemId>,
    /// The modifiers chosen for each one.
    #[serde(default, deserialize_with = "bounded::list::<_, _, 100>")]
    pub modifiers: Vec<Choice>,
    /// The customer's note for this line.
    #[schema(inline)]
    pub note: Option<MultiLine<500>>,
}

/// The new values of profile fields. The phone number is not included, because changing it requires the password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OfflineProfile)]
pub struct ProfileFields {
    /// The display name.
    #[schema(inline)]
    pub name: Option<SingleLine<120>>,
    /// The user's new language; absent: unchanged.
    pub locale: Option<Locale>,
}

/// The content of an operation; `kind` says which of the variants it is.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = OfflinePayload)]
pub enum Payload {
    /// Places an order (`order.place`).
    PlaceOrder(OfflineOrder),
    /// Changes an order's status (`order.status`).
    OrderStatus(OfflineStatusUpdate),
    /// Changes stock (`stock.change`).
    Stock(OfflineStockChange),
    /// Writes a line of a cart (`cart.line`).
    CartLine(OfflineCartLine),
    /// Writes fields of the profile (`profile.fields`).
    Profile(ProfileFields),
}

/// A parsed operation.
#[derive(Debug)]
pub enum ParsedOperation {
    /// Places an order (`order.place`).
    PlaceOrder(Box<OfflineOrder>),
    /// Changes an order's status (`order.status`).
    OrderStatus(OfflineStatusUpdate),
    /// Changes stock (`stock.change`).
    Stock(OfflineStockChange),
    /// Writes a line of a cart (`cart.line`).
    CartLine(OfflineCartLine),
    /// Writes fields of the profile (`profile.fields`).
    Profile(ProfileFields),
}

fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn read<T: DeserializeOwned>(payload: &str) -> Result<T, Problem> {
    read_json(payload.as_bytes())
}

/// Parses a payload; the pointers of errors are relative to it.
///
/// # Errors
/// 422 for an unknown kind, and for a payload that does not fit its kind.
pub fn parse(kind: &str, payload: &str, max_choices: usize) -> Result<ParsedOperation, Problem> {
    match kind {
        PLACE_ORDER => {
            let order: OfflineOrder = read(payload)?;
            LineInput::check(&order.lines, max_choices)?;
            Ok(ParsedOperation::PlaceOrder(Box::new(order)))
        }
        ORDER_STATUS => {
            let update: OfflineStatusUpdate = read(payload)?;
            if update.order_id.is_some() == update.order_op.is_some() {
                return Err(Problem::invalid_field("", "must contain exactly one of orderId and orderOp"));
            }
            Ok(ParsedOperation::OrderStatus(update))
        }
        STOCK => {
            let change: OfflineStockChange = read(payload)?;
            if change.item_id.is_some() == change.modifier_id.is_some() {
                return Err(Problem::invalid_field("", "must contain exactly one of itemId and modifierId"));
            }
            Ok(ParsedOperation::Stock(change))
        }
        CART_LINE => read(payload).map(ParsedOperation::CartLine),
        PROFILE => read(payload).map(ParsedOperation::Profile),
        _ => Err(Problem::invalid_field("/kind", "must be one of the kinds in the API reference")),
    }
}

/// Whether operations of this kind run one after another; every kind that is not named here does.
pub fn in_order(kind: &str) -> bool {
    !matches!(kind, CART_LINE | PROFILE)
}

fn id<T: FromStr + ToString>(payload: &Value, field: &str) -> Option<String> {
    payload.get(field)?.as_str()?.parse::<T>().ok().map(|id| id.to_string())
}

/// The object that an operation concerns, if it names one; an order that is not placed yet is named by the operation
/// that places it.
pub fn aggregate(kind: &str, op_id: &str, payload: &Value) -> Option<String> {
    // An invalid id names no object: the operation is refused when it is parsed.
    match kind {
        PLACE_ORDER => Some(format!("op:{op_id}")),
        ORDER_STATUS => id::<OrderId>(payload, "orderId"),
        STOCK => id::<ItemId>(payload, "itemId").or_else(|| id::<ModifierId>(payload, "modifierId")),
        _ => None,
    }
}

/// The earlier operation that it refers to.
pub fn refers(kind: &str, payload: &Value) -> Option<String> {
    let named = payload.get("orderOp").filter(|_| kind == ORDER_STATUS)?.as_str()?;
    SingleLine::<64>::try_from(named.to_owned()).ok().map(String::from)
}
