//! Every statement on carts and their lines.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::types::Json;

use super::line_item::{LineItem, LineItems};
use super::{CartOwner, CartStatus, PricedLine};
use crate::ids::{CartId, GuestId, ItemId, ModifierGroupId, OrderId, RestaurantId, UserId};
use crate::menu::allergens::{Declared, Diet};
use crate::menu::configure::{Choice, InvalidChoice, configure};
use crate::menu::dayparts::{DayPart, Week};
use crate::money::{Amount, Currency};
use crate::problem::{Code, Problem};
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

mod content;
mod line_items;
pub mod lines;
pub mod merge;
mod open_carts;
mod priced_lines;
pub use content::content;
pub use line_items::line_items;
pub use open_carts::{LockedCart, lock_or_open};
pub use priced_lines::LoadedGroups;
use priced_lines::{KeyedLine, PricingTime, named, priced_lines};

/// A cart without its lines.
#[derive(Debug, Clone)]
pub struct CartRow {
    /// The cart's id.
    pub id: CartId,
    /// The restaurant the cart is for.
    pub restaurant_id: RestaurantId,
    /// OPEN or ORDERED.
    pub status: CartStatus,
    /// Grows with every change.
    pub version: i64,
    /// The order that closed it.
    pub order_id: Option<OrderId>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl CartRow {
    /// The cart; refused if an order was placed from it.
    ///
    /// # Errors
    /// `cart_closed` with the order.
    pub fn open(self) -> Result<Self, Problem> {
        if self.status == CartStatus::Ordered {
            let detail = "Add items to a new cart, or get the order that this cart became.";
            return Err(Problem::new(Code::CartClosed, detail).with("orderId", self.order_id));
        }
        Ok(self)
    }
}

/// An open cart without its lines.
#[derive(Debug, Clone, Copy)]
pub struct OpenCart {
    /// The cart's id.
    pub id: CartId,
    /// Grows with every change.
    pub version: i64,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A restaurant's currency, and the owner's open cart there.
macro_rules! open_cart {
    ($owner:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            r#"select r.currency as "currency: Currency", c.id as "id?: CartId", c.version as "version?",
                      c.updated_at as "updated_at?"
               from restaurants r
               left join carts c on c.restaurant_id = $1 and "# + $owner + " = $2 and c.status = 'OPEN'
               where r.id = $1",
            $($argument),+
        )
        .map(|row| {
            let cart = row.id.zip(row.version).zip(row.updated_at);
            (row.currency, cart.map(|((id, version), updated_at)| OpenCart { id, version, updated_at }))
        })
    };
}

/// The restaurant's currency, and the owner's open cart there; `None`: there is no such restaurant.
pub async fn open_cart(
    tx: &mut Tx,
    scope: &RestaurantScope,
    owner: CartOwner,
) -> Result<Option<(Currency, Option<OpenCart>)>, Problem> {
    let restaurant = scope.restaurant();
    let found = match owner {
        CartOwner::User(user) => {
            let open = open_cart!("c.user_id", restaurant as RestaurantId, user as UserId);
            open.fetch_optional(tx.connection()).await?
        }
        CartOwner::Guest(guest) => {
            let open = open_cart!("c.guest_id", restaurant as RestaurantId, guest as GuestId);
            open.fetch_optional(tx.connection()).await?
        }
    };
    Ok(found)
}

/// One of the customer's carts, locked; sets the restaurant of the transaction to that of the cart.
pub async fn lock_own(tx: &mut Tx, cart: CartId, user: UserId) -> Result<Option<CartRow>, Problem> {
    let cart = sqlx::query_as!(
        CartRow,
        r#"select id, set_shop(restaurant_id) as "restaurant_id!: RestaurantId", status, version, order_id, updated_at
           from carts where id = $1 and user_id = $2 for no key update"#,
        cart as CartId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(cart)
}

/// One of the customer's carts at the restaurant, locked.
pub async fn lock(
    tx: &mut Tx,
    scope: &RestaurantScope,
    cart: CartId,
    user: UserId,
) -> Result<Option<CartRow>, Problem> {
    let cart = sqlx::query_as!(
        CartRow,
        "select id, restaurant_id, status, version, order_id, updated_at from carts
         where restaurant_id = $1 and id = $2 and user_id = $3 for no key update",
        scope.restaurant() as RestaurantId,
        cart as CartId,
        user as UserId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(cart)
}

/// The row of a line, joined with its item.
struct CartLineRow {
    key: String,
    item_id: ItemId,
    name: String,
    quantity: i32,
    price: Amount,
    tax_class: Option<TaxClass>,
    note: Option<String>,
    stock: Option<i32>,
    available: bool,
    unavailable_until: Option<DateTime<Utc>>,
    deleted: bool,
    choices: Json<Vec<Choice>>,
    allergens: Option<Json<Vec<Declared>>>,
    diets: Json<Vec<Diet>>,
    day_parts: Json<Vec<DayPart>>,
    category_parts: Json<Vec<DayPart>>,
    timezone: String,
    menu_version: i64,
    group_ids: Vec<ModifierGroupId>,
}

impl CartLineRow {
    fn into_parts(self, items: &mut LineItems) -> KeyedLine {
        // Made once for each item: a cart may have a hundred lines of one.
        items.entry(self.item_id).or_insert_with(|| {
            Arc::new(LineItem {
                id: self.item_id,
                menu_version: self.menu_version,
                name: self.name,
                price: self.price,
                tax_class: self.tax_class,
                stock: self.stock,
                available: self.available,
                unavailable_until: self.unavailable_until,
                deleted: self.deleted,
                allergens: self.allergens.map(|allergens| allergens.0),
                diets: self.diets.0,
                week: Week::of(&self.day_parts.0).and(&Week::of(&self.category_parts.0)),
                group_ids: self.group_ids,
            })
        });
        let Self { key, item_id, quantity, note, choices, .. } = self;
        KeyedLine { key, line: RequestedLine { item_id, quantity, choices: choices.0, note } }
    }
}

/// The lines of a cart at current menu prices; availability is that at `at`. Groups in `known` are not read again.
pub async fn lines(
    tx: &mut Tx,
    scope: &RestaurantScope,
    cart: CartId,
    at: DateTime<Utc>,
    known: LoadedGroups,
) -> Result<Vec<PricedLine>, Problem> {
    let rows = sqlx::query_as!(
        CartLineRow,
        r#"select c.key, i.id as item_id, i.name, c.quantity, i.price, i.tax_class as "tax_class: _", c.note, i.stock,
                  i.available, i.unavailable_until, i.deleted_at is not null as "deleted!", c.choices as "choices: _",
                  i.allergens as "allergens: _", i.diets as "diets: _", i.day_parts as "day_parts: _",
                  k.day_parts as "category_parts: _", r.timezone,
                  coalesce((select m.version from menus m where m.restaurant_id = $1), 1) as "menu_version!",
                  array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position) as "group_ids!: _"
           from restaurants r
           join cart_items c on c.restaurant_id = $1 and c.cart_id = $2 and c.quantity > 0
           join menu_items i on i.restaurant_id = $1 and i.id = c.menu_item_id
           join menu_categories k on k.restaurant_id = i.restaurant_id and k.id = i.category_id
           where r.id = $1
           order by c.line, c.key"#,
        scope.restaurant() as RestaurantId,
        cart as CartId,
    )
    .fetch_all(tx.connection())
    .await?;
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let zone = first.timezone.parse().map_err(|error| Problem::internal(&error))?;
    let mut items = LineItems::new();
    let lines = rows.into_iter().map(|row| row.into_parts(&mut items)).collect();
    priced_lines(tx, scope, lines, &items, PricingTime { zone, at }, known).await
}

/// Lines without a cart at the prices of `items`, as [`lines`].
///
/// # Errors
/// 422 when an item is not in `items`.
pub async fn priced(
    tx: &mut Tx,
    scope: &RestaurantScope,
    requested: &[RequestedLine],
    items: &LineItems,
    zone: Tz,
    at: DateTime<Utc>,
) -> Result<Vec<PricedLine>, Problem> {
    if let Some(index) = requested.iter().position(|line| !items.contains_key(&line.item_id)) {
        return Err(Problem::invalid_field(format!("/lines/{index}/itemId"), "is not on this restaurant's menu"));
    }
    let keyed = |(index, line): (usize, RequestedLine)| KeyedLine { key: (index + 1).to_string(), line };
    let lines = requested.iter().cloned().enumerate().map(keyed).collect();
    priced_lines(tx, scope, lines, items, PricingTime { zone, at }, LoadedGroups::default()).await
}

/// Lines without a cart at current menu prices.
///
/// # Errors
/// As [`priced`].
pub async fn priced_now(
    tx: &mut Tx,
    scope: &RestaurantScope,
    requested: &[RequestedLine],
    zone: Tz,
    at: DateTime<Utc>,
) -> Result<Vec<PricedLine>, Problem> {
    let items = line_items(tx, scope, requested.iter().map(|line| line.item_id)).await?;
    priced(tx, scope, requested, &items, zone, at).await
}

/// A line as a customer requests it, for a cart, an order or a quote.
#[derive(Debug, Clone)]
pub struct RequestedLine {
    /// The item of the line.
    pub item_id: ItemId,
    /// The number of portions.
    pub quantity: i32,
    /// The chosen modifiers.
    pub choices: Vec<Choice>,
    /// A note to the kitchen; `None`: none.
    pub note: Option<String>,
}

/// A line that does not fit this restaurant's menu: its index in the request, and why.
pub type Unfit = (usize, InvalidChoice);

/// The pointer to an item that is not on the menu.
pub const NOT_ON_THE_MENU: &str = "/itemId";

/// The lines that do not fit this restaurant's menu, and the groups that were read for it.
pub async fn unfit(
    tx: &mut Tx,
    scope: &RestaurantScope,
    lines: &[RequestedLine],
) -> Result<(Vec<Unfit>, LoadedGroups), Problem> {
    if lines.is_empty() {
        return Ok((Vec::new(), LoadedGroups::default()));
    }
    let now = tx.now();
    let items: Vec<_> = lines.iter().map(|line| line.item_id.uuid()).collect();
    let known = sqlx::query!(
        r#"select id, array(select g.group_id from item_modifier_groups g
                        where g.restaurant_id = $1 and g.item_id = i.id order by g.position)
                      as "group_ids!: Vec<ModifierGroupId>"
           from menu_items i where restaurant_id = $1 and id = any($2) and deleted_at is null"#,
        scope.restaurant() as RestaurantId,
        &items,
    )
    .fetch_all(tx.connection())
    .await?;
    let on_menu: HashMap<_, _> = known.into_iter().map(|row| (row.id, row.group_ids)).collect();
    let group_ids = on_menu.values().flatten().copied().collect();
    let chosen = lines.iter().flat_map(|line| named(&line.choices)).collect();
    let groups = LoadedGroups::read(tx, scope, group_ids, chosen, now).await?;
    let indexed = groups.index();
    let mut unfit = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match on_menu.get(&line.item_id) {
            None => {
                let message = "is not on this restaurant's menu".to_owned();
                unfit.push((index, InvalidChoice { pointer: NOT_ON_THE_MENU.to_owned(), message }));
            }
            Some(group_ids) => {
                let invalid_choices =
                    configure(group_ids, &indexed, (None, &[]), &line.choices).err().unwrap_or_default();
                unfit.extend(invalid_choices.into_iter().map(|invalid_choice| (index, invalid_choice)));
            }
        }
    }
    Ok((unfit, groups))
}
