//! A line of a cart, held against the menu of this moment: what it costs, what it takes, what stands in its way. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::shortage::Shortage;
use super::sql::RequestedLine;
use super::{CartLine, LineModifier, Obstacle};
use crate::ids::{ItemId, ModifierGroupId, ModifierId};
use crate::menu::allergens::{Declared, Diet, Effective, effective};
use crate::menu::configure::{self, Choice, Chosen, Misfit, Questions, Take, configure};
use crate::money::{Amount, Currency, Overflow};
use crate::restaurants::tax::{Portion, TaxClass};

/// A line as the tables know it, with the menu's word on its item.
#[derive(Debug, Clone)]
pub struct UnpricedLine {
    /// What the client calls the line.
    pub key: String,
    /// The item, whether or not it is still on the menu.
    pub item_id: ItemId,
    /// Its name now.
    pub name: String,
    /// The number of portions.
    pub quantity: i32,
    /// What one costs now, without modifiers.
    pub price: Amount,
    /// The tax class of the item.
    pub tax_class: Option<TaxClass>,
    /// What was chosen.
    pub choices: Vec<Choice>,
    /// What is asked about it now.
    pub asked: Vec<ModifierGroupId>,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// Whether the item is switched on.
    pub available: bool,
    /// Served at this hour.
    pub in_time: bool,
    /// Portions left, where they are counted.
    pub stock: Option<i32>,
    /// Taken off the menu.
    pub deleted: bool,
    /// From when on it will be served or switched on again by itself, where it is not.
    pub available_from: Option<DateTime<Utc>>,
    /// What is in it; `None`: nobody has said.
    pub allergens: Option<Vec<Declared>>,
    /// Diets it suits.
    pub diets: Vec<Diet>,
}

/// A line with its price. What is kept of it in a quote is what was promised; how many are left, and whether they can be
/// had, is the menu's word of each moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredLine {
    /// What the client calls the line.
    pub key: String,
    /// The item of the line.
    pub item_id: ItemId,
    /// Its name now.
    pub name: String,
    /// The number of portions.
    pub quantity: i32,
    /// What was chosen, as the customer wants it.
    pub choices: Vec<Choice>,
    /// What was chosen, as the menu has it.
    pub chosen: Vec<Chosen>,
    /// What one costs now, its modifiers included.
    pub price: Amount,
    /// What the item alone costs.
    pub bare_price: Amount,
    /// The tax class of the item.
    pub tax_class: Option<TaxClass>,
    /// What one takes of counted modifiers.
    #[serde(skip)]
    pub takes: BTreeMap<ModifierId, Take>,
    /// What is in it as it was put together.
    pub allergens: Effective,
    /// A wish of the customer's.
    pub note: Option<String>,
    /// Portions left of the item, where they are counted.
    #[serde(skip)]
    pub stock: Option<i32>,
    /// What stands in the way of ordering this line, the other lines counted in.
    #[serde(skip)]
    pub obstacle: Option<Obstacle>,
    /// How the choices do not fit the item's groups.
    #[serde(skip)]
    pub misfits: Vec<Misfit>,
    /// What it takes of which the basket asks for more than is left.
    #[serde(skip)]
    pub shortages: Vec<Shortage>,
    /// From when on that is over by itself, where it is known.
    #[serde(skip)]
    pub available_from: Option<DateTime<Utc>>,
}

impl UnpricedLine {
    /// Holds the line against the groups of the menu. Whether enough is left is said of all lines together, by
    /// [`super::shortage::mark`].
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn priced(self, questions: &Questions<'_>) -> Result<StoredLine, Overflow> {
        let part = (self.allergens.as_deref(), self.diets.as_slice());
        let (configured, misfits) = match configure(&self.asked, questions, part, &self.choices) {
            Ok(configured) => (Some(configured), Vec::new()),
            Err(misfits) => (None, misfits),
        };
        let obstacle = match &configured {
            _ if self.deleted => Some(Obstacle::Deleted),
            _ if !self.available => Some(Obstacle::Unavailable),
            None => Some(Obstacle::ChoicesChanged),
            Some(configured) if !configured.available => Some(Obstacle::Unavailable),
            Some(_) if !self.in_time => Some(Obstacle::NotNow),
            Some(_) => None,
        };
        let switched_off = configured.as_ref().is_some_and(|configured| !configured.available);
        let by_itself = matches!(obstacle, Some(Obstacle::NotNow))
            || (matches!(obstacle, Some(Obstacle::Unavailable)) && !switched_off);
        let own = effective([part]);
        let extra = configured.as_ref().map_or(Amount::ZERO, |configured| configured.extra);
        let (chosen, takes, allergens) = configured.map_or((Vec::new(), BTreeMap::new(), own), |configured| {
            (configured.chosen, configured.takes, configured.allergens)
        });
        Ok(StoredLine {
            key: self.key,
            item_id: self.item_id,
            name: self.name,
            quantity: self.quantity,
            choices: self.choices,
            chosen,
            price: self.price.plus(extra)?,
            bare_price: self.price,
            tax_class: self.tax_class,
            takes,
            allergens,
            note: self.note,
            stock: self.stock,
            obstacle,
            misfits,
            shortages: Vec::new(),
            available_from: self.available_from.filter(|_| by_itself),
        })
    }
}

fn shown(chosen: Vec<Chosen>, currency: Currency) -> Vec<LineModifier> {
    let one = |choice: Chosen| LineModifier {
        modifier_id: choice.modifier_id,
        name: choice.name,
        price: choice.price.of(currency),
        quantity: choice.quantity,
        modifiers: shown(choice.modifiers, currency),
    };
    chosen.into_iter().map(one).collect()
}

impl StoredLine {
    /// The item, quantity, choices and note, as the customer requested them.
    pub fn requested(&self) -> RequestedLine {
        let (choices, note) = (self.choices.clone(), self.note.clone());
        RequestedLine { item_id: self.item_id, quantity: self.quantity, choices, note }
    }

    /// What the line costs.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn total(&self) -> Result<Amount, Overflow> {
        self.price.times(u32::try_from(self.quantity).map_err(|_| Overflow)?)
    }

    /// The line's price in portions by tax class: the item, and what was chosen. They add up to its total.
    ///
    /// # Errors
    /// When an amount leaves the range of 64 bits.
    pub fn portions(&self) -> Result<Vec<Portion>, Overflow> {
        let quantity = u32::try_from(self.quantity).map_err(|_| Overflow)?;
        let class = self.tax_class.as_ref();
        let mut portions = vec![Portion { class: class.cloned(), amount: self.bare_price.times(quantity)? }];
        portions.extend(configure::portions(&self.chosen, class, quantity)?);
        Ok(portions)
    }

    /// Its modifiers as they are shown and sold.
    pub fn modifiers(&self, currency: Currency) -> Vec<LineModifier> {
        shown(self.chosen.clone(), currency)
    }

    /// As the customer sees it.
    ///
    /// # Errors
    /// When the sum leaves the range of 64 bits.
    pub fn into_line(self, currency: Currency) -> Result<CartLine, Overflow> {
        Ok(CartLine {
            total: self.total()?.of(currency),
            modifiers: shown(self.chosen, currency),
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
                Some(Obstacle::ChoicesChanged) => self.misfits.iter().map(|misfit| misfit.fault("")).collect(),
                _ => Vec::new(),
            },
        })
    }
}
