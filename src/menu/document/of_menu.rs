//! The document of a menu as it is. Pure.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{Document, DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier, EntityKey};
use crate::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId};
use crate::menu::stock::PortionCount;
use crate::menu::{Category, Contents, Group, Item, Modifier};
use crate::money::Currency;
use crate::text::{MultiLine, SingleLine};

/// The names of entities in a document: their keys, or their ids if they have no key. An entity whose key is the id of
/// another entity is named by its id, because the key would be ambiguous.
struct Names {
    ids: HashSet<Uuid>,
    groups: HashMap<ModifierGroupId, EntityKey>,
    currency: Currency,
}

impl Names {
    fn of(contents: &Contents) -> Self {
        let mut ids: HashSet<_> = contents.categories.iter().map(|one| one.id.uuid()).collect();
        ids.extend(contents.items.iter().map(|one| one.id.uuid()));
        for group in &contents.groups {
            ids.insert(group.id.uuid());
            ids.extend(group.modifiers.iter().map(|one| one.id.uuid()));
        }
        let mut names = Self { ids, groups: HashMap::new(), currency: contents.currency };
        for group in &contents.groups {
            let key = names.name(group.key.clone(), &group.id);
            names.groups.insert(group.id, key);
        }
        names
    }

    /// Whether a key is the id of an entity on the menu.
    fn is_id(&self, key: &str) -> bool {
        let uuids = [
            key.parse::<CategoryId>().map(CategoryId::uuid),
            key.parse::<ItemId>().map(ItemId::uuid),
            key.parse::<ModifierGroupId>().map(ModifierGroupId::uuid),
            key.parse::<ModifierId>().map(ModifierId::uuid),
        ];
        uuids.into_iter().flatten().any(|uuid| self.ids.contains(&uuid))
    }

    fn name(&self, key: Option<String>, id: &impl ToString) -> EntityKey {
        EntityKey::stored(key.filter(|key| !self.is_id(key)).unwrap_or_else(|| id.to_string()))
    }

    fn groups(&self, ids: &[ModifierGroupId]) -> Vec<EntityKey> {
        ids.iter().filter_map(|id| self.groups.get(id).cloned()).collect()
    }

    fn item(&self, item: Item) -> DocumentItem {
        DocumentItem {
            key: self.name(item.key, &item.id),
            name: SingleLine::stored(item.name),
            description: item.description.map(MultiLine::stored),
            price: item.price,
            tax_class: item.tax_class,
            available: item.unavailable_until.is_none().then_some(item.available),
            stock: item.stock.map(PortionCount),
            day_parts: item.day_parts,
            allergens: item.allergens,
            diets: item.diets,
            modifier_groups: self.groups(&item.modifier_groups),
            translations: item.translations,
        }
    }

    fn modifier(&self, modifier: Modifier) -> DocumentModifier {
        DocumentModifier {
            key: self.name(modifier.key, &modifier.id),
            name: SingleLine::stored(modifier.name),
            price: modifier.price.of(self.currency),
            tax_class: modifier.tax_class,
            available: modifier.unavailable_until.is_none().then_some(modifier.available),
            stock: modifier.stock.map(PortionCount),
            allergens: modifier.allergens,
            diets: modifier.diets,
            modifier_groups: self.groups(&modifier.modifier_groups),
            translations: modifier.translations,
        }
    }
}

/// The document of a menu: replacing the menu with it changes nothing.
pub fn of(contents: Contents) -> Document {
    let names = Names::of(&contents);
    let mut items_of: HashMap<_, Vec<_>> = HashMap::new();
    for item in contents.items {
        items_of.entry(item.category_id).or_default().push(names.item(item));
    }
    let category = |category: Category| DocumentCategory {
        items: items_of.remove(&category.id).unwrap_or_default(),
        key: names.name(category.key, &category.id),
        name: SingleLine::stored(category.name),
        day_parts: category.day_parts,
        translations: category.translations,
    };
    let group = |group: Group| DocumentGroup {
        modifiers: group.modifiers.into_iter().map(|one| names.modifier(one)).collect(),
        key: names.name(group.key, &group.id),
        name: SingleLine::stored(group.name),
        min: group.min,
        max: group.max,
        translations: group.translations,
    };
    Document {
        language: contents.language,
        categories: contents.categories.into_iter().map(category).collect(),
        modifier_groups: contents.groups.into_iter().map(group).collect(),
    }
}
