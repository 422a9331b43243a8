//! Computes the menu that a document describes: which entities are kept, which are new, and the errors of the document.
//! Pure.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::diff::MenuEntity;
use super::document::{Document, DocumentCategory, DocumentGroup, DocumentItem, DocumentModifier, EntityKey};
use super::faults::MenuFaults;
use super::stock::PortionCount;
use super::translations::NO_LANGUAGE;
use super::{Category, Contents, Group, Item, MAX_GROUPS, Modifier, nesting};
use crate::config::Menus;
use crate::ids::{CategoryId, ItemId, ModifierGroupId, ModifierId};
use crate::languages::canonical;
use crate::problem::FieldError;
use crate::restaurants::tax::TaxClass;

/// Whether availability and stock come from the document or stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockPolicy {
    /// From the document, where it states them.
    AsSaid,
    /// They stay as they are, because the document is another restaurant's menu. Only new entities take them from it.
    Own,
}

impl StockPolicy {
    /// The availability after the change.
    fn switched(self, said: Option<bool>, before: Option<Switch>) -> Switch {
        match (said, before) {
            (Some(_), Some(before)) if self == Self::Own => before,
            (None, Some(before)) => before,
            (Some(false), Some((false, until))) => (false, until),
            (said, _) => (said.unwrap_or(true), None),
        }
    }

    /// The stock after the change: a stock that is already counted is not changed.
    fn counted(self, said: Option<PortionCount>, before: Option<i32>) -> Option<i32> {
        before.or(said.filter(|_| self == Self::AsSaid).map(|stock| stock.0))
    }
}

type Switch = (bool, Option<DateTime<Utc>>);

/// The existing entities of one kind, by the keys that a document may use for them.
struct KnownEntities<'a, T> {
    by_id: HashMap<Uuid, &'a T>,
    by_key: HashMap<&'a str, &'a T>,
    /// What the document has named already.
    named: HashSet<NamedEntity<'a>>,
}

/// What a key of a document names.
#[derive(PartialEq, Eq, Hash)]
enum NamedEntity<'a> {
    Known(Uuid),
    New(&'a str),
}

impl<'a, T: MenuEntity> KnownEntities<'a, T> {
    fn new(things: &'a [T]) -> Self {
        Self {
            by_id: things.iter().map(|thing| (thing.uuid(), thing)).collect(),
            by_key: things.iter().filter_map(|thing| Some((thing.key()?, thing))).collect(),
            named: HashSet::new(),
        }
    }

    /// What was there under this key, if anything. A key that names what was named before is a fault.
    fn take(&mut self, key: &'a EntityKey, place: impl Display, faults: &mut MenuFaults) -> Option<&'a T> {
        let by_id = T::uuid_of(key.as_str()).and_then(|id| self.by_id.get(&id));
        let found = by_id.or_else(|| self.by_key.get(key.as_str())).copied();
        if !self
            .named
            .insert(found.map_or_else(|| NamedEntity::New(key.as_str()), |found| NamedEntity::Known(found.uuid())))
        {
            faults.note(format_args!("{place}/key"), format_args!("“{}” is the key of an earlier one", key.as_str()));
        }
        found
    }
}

/// The key of an entity after the change: the existing one, or else the document's.
fn key(before: Option<&impl MenuEntity>, wanted: &EntityKey) -> Option<String> {
    before.map_or(Some(wanted.as_str()), MenuEntity::key).map(ToOwned::to_owned)
}

/// The rules for a menu.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether availability and stock come from the document.
    pub stock_policy: StockPolicy,
    /// The limits on its size.
    pub bounds: Menus,
    /// The restaurant's tax classes.
    pub tax_classes: Vec<TaxClass>,
}

struct Target<'a> {
    current: &'a Contents,
    rules: &'a Rules,
    categories: KnownEntities<'a, Category>,
    items: KnownEntities<'a, Item>,
    /// Groups by every name that the document may use for them.
    groups: HashMap<Cow<'a, str>, ModifierGroupId>,
    /// Every group that was named so far is there, once.
    names_hold: bool,
    faults: MenuFaults,
}

/// The menu that the document describes, with the ids of existing entities.
///
/// # Errors
/// All errors, with pointers into the document.
pub fn target(document: &Document, current: &Contents, rules: &Rules) -> Result<Contents, Vec<FieldError>> {
    let mut target = Target {
        current,
        rules,
        categories: KnownEntities::new(&current.categories),
        items: KnownEntities::new(&current.items),
        groups: HashMap::new(),
        names_hold: true,
        faults: MenuFaults::default(),
    };
    target.bounds(document);
    target.faults.end()?;
    let groups = target.all_groups(document);
    let (mut categories, mut items) = (Vec::new(), Vec::new());
    for (position, wanted) in (0_i32..).zip(&document.categories) {
        let category = target.category(position, wanted);
        for (place, item) in (0_i32..).zip(&wanted.items) {
            items.push(target.item(position, place, category.id, item));
        }
        categories.push(category);
    }
    target.faults.end()?;
    keep_positions(&mut categories, &mut items, current);
    let language = document.language.as_deref().and_then(canonical);
    Ok(Contents { language, categories, items, groups, timezone: current.timezone.clone(), ..*current })
}

/// Keeps the positions if the order has not changed.
fn keep_positions(categories: &mut [Category], items: &mut [Item], current: &Contents) {
    if categories.iter().map(|one| one.id).eq(current.categories.iter().map(|one| one.id)) {
        for (category, before) in categories.iter_mut().zip(&current.categories) {
            category.position = before.position;
        }
    }
    let mut orders: HashMap<CategoryId, Vec<(ItemId, i32)>> = HashMap::new();
    for item in &current.items {
        orders.entry(item.category_id).or_default().push((item.id, item.position));
    }
    // The items of a category are adjacent, in the order of the document.
    for here in items.chunk_by_mut(|one, next| one.category_id == next.category_id) {
        let before = orders.get(&here[0].category_id).map_or(&[][..], Vec::as_slice);
        if here.iter().map(|item| item.id).eq(before.iter().map(|(id, _)| *id)) {
            here.iter_mut().zip(before).for_each(|(item, (_, position))| item.position = *position);
        }
    }
}

impl<'a> Target<'a> {
    fn bounds(&mut self, document: &Document) {
        let bounds = self.rules.bounds;
        let items = document.categories.iter().map(|category| category.items.len()).sum::<usize>();
        let modifiers = document.modifier_groups.iter().map(|group| group.modifiers.len()).sum::<usize>();
        let (details, languages) = (document.details(), document.languages().len());
        let counts = [
            ("", "languages", languages, bounds.max_languages, "MENU_MAX_LANGUAGES"),
            ("", "translations, day-parts and references to groups", details, bounds.max_details, "MENU_MAX_DETAILS"),
            ("/modifierGroups", "modifiers", modifiers, bounds.max_all_modifiers, "MENU_MAX_ALL_MODIFIERS"),
            ("/categories", "categories", document.categories.len(), bounds.max_categories, "MENU_MAX_CATEGORIES"),
            ("/categories", "items", items, bounds.max_items, "MENU_MAX_ITEMS"),
            ("/modifierGroups", "groups", document.modifier_groups.len(), bounds.max_groups, "MENU_MAX_GROUPS"),
        ];
        for (pointer, what, count, max, variable) in counts {
            if count > max {
                let message = format_args!("has {count} {what}, at most {max} are allowed ({variable} of the server)");
                self.faults.note(pointer, message);
            }
        }
        for (at, group) in document.modifier_groups.iter().enumerate() {
            if group.modifiers.len() > bounds.max_modifiers {
                let max = bounds.max_modifiers;
                let message = format_args!("must be at most {max} (MENU_MAX_MODIFIERS of the server)");
                self.faults.note(format_args!("/modifierGroups/{at}/modifiers"), message);
            }
        }
        if document.language.as_ref().is_some_and(|language| canonical(language).is_none()) {
            self.faults.note("/language", NO_LANGUAGE);
        }
    }

    fn category(&mut self, position: i32, wanted: &'a DocumentCategory) -> Category {
        let place = format_args!("/categories/{position}");
        let before = self.categories.take(&wanted.key, place, &mut self.faults);
        self.faults.day_parts(place, &wanted.day_parts);
        self.faults.translations(place, &wanted.translations);
        Category {
            id: before.map_or_else(CategoryId::new, |one| one.id),
            key: key(before, &wanted.key),
            name: wanted.name.as_str().to_owned(),
            position,
            day_parts: wanted.day_parts.clone(),
            translations: wanted.translations.clone(),
        }
    }

    fn item(&mut self, category: i32, position: i32, category_id: CategoryId, wanted: &'a DocumentItem) -> Item {
        let place = format_args!("/categories/{category}/items/{position}");
        let before = self.items.take(&wanted.key, place, &mut self.faults);
        self.faults.currency(format_args!("{place}/price"), wanted.price, self.current.currency);
        self.tax_class(place, wanted.tax_class.as_ref());
        self.faults.day_parts(place, &wanted.day_parts);
        self.faults.translations(place, &wanted.translations);
        self.faults.food(place, wanted.allergens.as_deref(), &wanted.diets);
        let switch = before.map(|one| (one.available, one.unavailable_until));
        let (available, unavailable_until) = self.rules.stock_policy.switched(wanted.available, switch);
        Item {
            id: before.map_or_else(ItemId::new, |one| one.id),
            key: key(before, &wanted.key),
            category_id,
            name: wanted.name.as_str().to_owned(),
            description: wanted.description.as_ref().map(|text| text.as_str().to_owned()),
            price: wanted.price,
            tax_class: wanted.tax_class.clone(),
            available,
            unavailable_until,
            stock: self.rules.stock_policy.counted(wanted.stock, before.and_then(|one| one.stock)),
            position,
            day_parts: wanted.day_parts.clone(),
            allergens: wanted.allergens.clone(),
            diets: wanted.diets.clone(),
            modifier_groups: self.group_ids(place, &wanted.modifier_groups),
            translations: wanted.translations.clone(),
            // A document has no images: existing items keep theirs.
            image: before.and_then(|one| one.image.clone()),
        }
    }

    /// The groups, the oldest first: all their names have to be known before one is read, as they name each other.
    fn all_groups(&mut self, document: &'a Document) -> Vec<Group> {
        let mut known = KnownEntities::new(&self.current.groups);
        let mut found = Vec::with_capacity(document.modifier_groups.len());
        for (at, wanted) in document.modifier_groups.iter().enumerate() {
            let place = format_args!("/modifierGroups/{at}");
            let before = known.take(&wanted.key, place, &mut self.faults);
            let id = before.map_or_else(ModifierGroupId::new, |group| group.id);
            self.groups.insert(Cow::Borrowed(wanted.key.as_str()), id);
            found.push((id, before));
        }
        for (id, before) in &found {
            self.groups.entry(Cow::Owned(id.to_string())).or_insert(*id);
            if let Some(own) = before.and_then(|group| group.key.as_ref()) {
                self.groups.entry(Cow::Borrowed(own)).or_insert(*id);
            }
        }
        let all = document.modifier_groups.iter().zip(found).enumerate();
        let mut groups: Vec<_> = all.map(|(at, (wanted, (id, before)))| self.group(at, wanted, id, before)).collect();
        // Invalid references were already reported, and would make the pointers of these errors wrong.
        let nested = if self.names_hold { nesting::check(&groups) } else { Ok(()) };
        if let Err(fault) = nested {
            let nesting::NestingFault { group, modifier, nested, message } = fault;
            let place = format_args!("/modifierGroups/{group}/modifiers/{modifier}/modifierGroups/{nested}");
            self.faults.note(place, message);
        }
        groups.sort_by_key(|group| group.id);
        groups
    }

    fn group(&mut self, at: usize, wanted: &'a DocumentGroup, id: ModifierGroupId, before: Option<&Group>) -> Group {
        let place = format_args!("/modifierGroups/{at}");
        self.faults.choices(place, wanted.min, wanted.max);
        self.faults.translations(place, &wanted.translations);
        let own = before.map_or(&[][..], |group| &group.modifiers);
        let mut known = KnownEntities::new(own);
        let mut modifiers = Vec::with_capacity(wanted.modifiers.len());
        for (index, one) in wanted.modifiers.iter().enumerate() {
            let place = format_args!("{place}/modifiers/{index}");
            let before = known.take(&one.key, place, &mut self.faults);
            modifiers.push(self.modifier(place, before, one));
        }
        Group {
            id,
            key: key(before, &wanted.key),
            name: wanted.name.as_str().to_owned(),
            min: wanted.min,
            max: wanted.max,
            translations: wanted.translations.clone(),
            modifiers,
        }
    }

    fn modifier(
        &mut self,
        place: impl Display + Copy,
        before: Option<&Modifier>,
        wanted: &'a DocumentModifier,
    ) -> Modifier {
        self.faults.currency(format_args!("{place}/price"), wanted.price, self.current.currency);
        self.tax_class(place, wanted.tax_class.as_ref());
        self.faults.translations(place, &wanted.translations);
        self.faults.food(place, wanted.allergens.as_deref(), &wanted.diets);
        let switch = before.map(|one| (one.available, one.unavailable_until));
        let (available, unavailable_until) = self.rules.stock_policy.switched(wanted.available, switch);
        Modifier {
            id: before.map_or_else(ModifierId::new, |one| one.id),
            key: key(before, &wanted.key),
            name: wanted.name.as_str().to_owned(),
            price: wanted.price.amount,
            tax_class: wanted.tax_class.clone(),
            available,
            unavailable_until,
            stock: self.rules.stock_policy.counted(wanted.stock, before.and_then(|one| one.stock)),
            allergens: wanted.allergens.clone(),
            diets: wanted.diets.clone(),
            modifier_groups: self.group_ids(place, &wanted.modifier_groups),
            translations: wanted.translations.clone(),
        }
    }

    fn tax_class(&mut self, place: impl Display + Copy, class: Option<&TaxClass>) {
        if let Some(class) = class.filter(|class| !self.rules.tax_classes.contains(class)) {
            let message = format_args!("“{}” is not one of the restaurant's taxClasses", class.as_str());
            self.faults.note(format_args!("{place}/taxClass"), message);
        }
    }

    /// The ids behind the names of groups.
    fn group_ids(&mut self, place: impl Display + Copy, keys: &[EntityKey]) -> Vec<ModifierGroupId> {
        let mut ids = Vec::with_capacity(keys.len());
        let before = self.faults.count();
        for (index, key) in keys.iter().enumerate() {
            let pointer = format_args!("{place}/modifierGroups/{index}");
            match self.groups.get(key.as_str()) {
                None => {
                    let message = format_args!("“{}” is not the key of a modifier group", key.as_str());
                    self.faults.note(pointer, message);
                }
                Some(id) if ids.contains(id) => self.faults.note(pointer, "is listed more than once"),
                Some(_) if index >= MAX_GROUPS => self.faults.note(pointer, "exceeds the limit of 20 entries"),
                Some(id) => ids.push(*id),
            }
        }
        self.names_hold &= self.faults.count() == before;
        ids
    }
}
