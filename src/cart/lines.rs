//! Lines of a cart at the current menu: price, required stock, and why a line cannot be ordered. Pure. The sum of the
//! lines (`itemsTotal`) is `cart_response` in `actions/lines.rs`; tax, fees and discounts are added only to orders and
//! quotes (`orders/pricing.rs`).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::line_item::{ItemAvailability, LineItem};
use super::shortage::Shortage;
use super::sql::RequestedLine;
use super::{CartLine, LineModifier, Obstacle};
use crate::ids::{ItemId, ModifierId};
use crate::menu::allergens::{Effective, effective};
use crate::menu::configure::{self, Choice, Chosen, GroupIndex, InvalidChoice, RequiredPortions, configure};
use crate::money::{Amount, Currency, Overflow};
use crate::restaurants::tax::{TaxClass, TaxedPart};

/// A line, its item, and whether that is available at the requested time.
#[derive(Debug)]
pub struct UnpricedLine<'a> {
    /// The client's key of the line.
    pub key: String,
    /// The item, whether or not it is still on the menu.
    pub item: &'a LineItem,
    /// The number of portions.
    pub quantity: i32,
    /// The chosen modifiers.
    pub choices: Vec<Choice>,
    /// The customer's note on the line.
    pub note: Option<String>,
    /// Whether the item can be ordered for the requested time.
    pub availability: ItemAvailability,
}

/// A line with its price. A quote stores it without stock and availability, which are read again each time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PricedLine {
    /// The client's key of the line.
    pub key: String,
    /// The item of the line.
    pub item_id: ItemId,
    /// The current name of the item.
    pub name: String,
    /// The number of portions.
    pub quantity: i32,
    /// The chosen modifiers, as the customer requested them.
    pub choices: Vec<Choice>,
    /// The chosen modifiers with their names and prices.
    pub chosen: Vec<Chosen>,
    /// The price of one portion with its modifiers.
    pub price: Amount,
    /// The price of one portion without modifiers.
    pub bare_price: Amount,
    /// The tax class of the item.
    pub tax_class: Option<TaxClass>,
    /// The stock of counted modifiers that one portion requires.
    #[serde(skip)]
    pub required_portions: BTreeMap<ModifierId, RequiredPortions>,
    /// The allergens of the item with the chosen modifiers.
    pub allergens: Effective,
    /// The customer's note on the line.
    pub note: Option<String>,
    /// The portions left of the item; `None`: not counted.
    #[serde(skip)]
    pub stock: Option<i32>,
    /// Why the line cannot be ordered, the other lines of the basket taken into account; `None`: it can.
    #[serde(skip)]
    pub obstacle: Option<Obstacle>,
    /// Errors of the choices.
    #[serde(skip)]
    pub invalid_choices: Vec<InvalidChoice>,
    /// Counted items and modifiers of the line of which all lines together request more than is left.
    #[serde(skip)]
    pub shortages: Vec<Shortage>,
    /// When the obstacle ends automatically; `None`: unknown, or there is none.
    #[serde(skip)]
    pub available_from: Option<DateTime<Utc>>,
}

impl UnpricedLine<'_> {
    /// Prices the line with its modifier groups. Whether enough is left is decided for all lines together, by
    /// [`super::shortage::mark`].
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn priced(self, groups: &GroupIndex<'_>) -> Result<PricedLine, Overflow> {
        let Self { item, availability, .. } = self;
        let part = (item.allergens.as_deref(), item.diets.as_slice());
        let (configured, invalid_choices) = match configure(&item.group_ids, groups, part, &self.choices) {
            Ok(configured) => (Some(configured), Vec::new()),
            Err(invalid_choices) => (None, invalid_choices),
        };
        let obstacle = match &configured {
            _ if item.deleted => Some(Obstacle::Deleted),
            _ if !availability.available => Some(Obstacle::Unavailable),
            None => Some(Obstacle::ChoicesChanged),
            Some(configured) if !configured.available => Some(Obstacle::Unavailable),
            Some(_) if !availability.in_time => Some(Obstacle::NotNow),
            Some(_) => None,
        };
        let switched_off = configured.as_ref().is_some_and(|configured| !configured.available);
        let ends_by_itself = matches!(obstacle, Some(Obstacle::NotNow))
            || (matches!(obstacle, Some(Obstacle::Unavailable)) && !switched_off);
        let own = effective([part]);
        let extra = configured.as_ref().map_or(Amount::ZERO, |configured| configured.extra);
        let (chosen, required_portions, allergens) = configured
            .map_or((Vec::new(), BTreeMap::new(), own), |configured| {
                (configured.chosen, configured.required_portions, configured.allergens)
            });
        Ok(PricedLine {
            key: self.key,
            item_id: item.id,
            name: item.name.clone(),
            quantity: self.quantity,
            choices: self.choices,
            chosen,
            price: item.price.plus(extra)?,
            bare_price: item.price,
            tax_class: item.tax_class.clone(),
            required_portions,
            allergens,
            note: self.note,
            stock: item.stock,
            obstacle,
            invalid_choices,
            shortages: Vec::new(),
            available_from: availability.from.filter(|_| ends_by_itself),
        })
    }
}

fn line_modifiers(chosen: Vec<Chosen>, currency: Currency) -> Vec<LineModifier> {
    let one = |choice: Chosen| LineModifier {
        modifier_id: choice.modifier_id,
        name: choice.name,
        price: choice.price.of(currency),
        quantity: choice.quantity,
        modifiers: line_modifiers(choice.modifiers, currency),
    };
    chosen.into_iter().map(one).collect()
}

impl PricedLine {
    /// The item, quantity, choices and note, as the customer requested them.
    pub fn requested(&self) -> RequestedLine {
        let (choices, note) = (self.choices.clone(), self.note.clone());
        RequestedLine { item_id: self.item_id, quantity: self.quantity, choices, note }
    }

    /// The price of the line.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn total(&self) -> Result<Amount, Overflow> {
        self.price.times(u32::try_from(self.quantity).map_err(|_| Overflow)?)
    }

    /// The price of the line by tax class: the item, and the chosen modifiers. The parts add up to its total.
    ///
    /// # Errors
    /// When an amount leaves the range of 64 bits.
    pub fn taxed_parts(&self) -> Result<Vec<TaxedPart>, Overflow> {
        let quantity = u32::try_from(self.quantity).map_err(|_| Overflow)?;
        let class = self.tax_class.as_ref();
        let mut parts = vec![TaxedPart { class: class.cloned(), amount: self.bare_price.times(quantity)? }];
        parts.extend(configure::taxed_parts(&self.chosen, class, quantity)?);
        Ok(parts)
    }

    /// The modifiers as in responses and orders.
    pub fn modifiers(&self, currency: Currency) -> Vec<LineModifier> {
        line_modifiers(self.chosen.clone(), currency)
    }

    /// The line as in responses.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn into_line(self, currency: Currency) -> Result<CartLine, Overflow> {
        Ok(CartLine {
            total: self.total()?.of(currency),
            modifiers: line_modifiers(self.chosen, currency),
            key: self.key,
            item_id: self.item_id,
            name: self.name,
            quantity: self.quantity,
            unit_price: self.price.of(currency),
            allergens: self.allergens,
            note: self.note,
            orderable: self.obstacle.is_none(),
            reason: self.obstacle,
            shortages: self.shortages,
            errors: match self.obstacle {
                Some(Obstacle::ChoicesChanged) => {
                    self.invalid_choices.iter().map(|invalid_choice| invalid_choice.field_error("")).collect()
                }
                _ => Vec::new(),
            },
        })
    }
}
