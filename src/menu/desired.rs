//! Computes the menu that a document describes: which entities are kept, which are new, and the errors of the document.
//! Pure.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;

use chrono::{DateTime, Utc};

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

mod existing;

use existing::ExistingEntities;

/// Whether availability and stock come from the document or stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockPolicy {
    /// Taken from the document, where it states them.
    FromDocument,
    /// They stay as they are, because the document is another restaurant's menu. Only new entities take them from it.
    Unchanged,
}

impl StockPolicy {
    /// The availability after the change.
    fn availability(self, stated: Option<bool>, before: Option<SwitchState>) -> SwitchState {
        match (stated, before) {
            (Some(_), Some(before)) if self == Self::Unchanged => before,
            (None, Some(before)) => before,
            (Some(false), Some((false, until))) => (false, until),
            (stated, _) => (stated.unwrap_or(true), None),
        }
    }

    /// The stock after the change: a stock that is already counted is not changed.
    fn stock(self, stated: Option<PortionCount>, before: Option<i32>) -> Option<i32> {
        before.or(stated.filter(|_| self == Self::FromDocument).map(|stock| stock.0))
    }
}

type SwitchState = (bool, Option<DateTime<Utc>>);

/// The key of an entity after the change: the existing one, or else the document's.
fn key(before: Option<&impl MenuEntity>, new: &EntityKey) -> Option<String> {
    before.map_or(Some(new.as_str()), MenuEntity::key).map(ToOwned::to_owned)
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

struct MenuBuilder<'a> {
    current: &'a Contents,
    rules: &'a Rules,
    categories: ExistingEntities<'a, Category>,
    items: ExistingEntities<'a, Item>,
    /// Groups by each key and id that the document may use for them.
    groups: HashMap<Cow<'a, str>, ModifierGroupId>,
    /// Whether all references to groups so far are valid.
    are_references_valid: bool,
    faults: MenuFaults,
}

/// The menu that the document describes, with the ids of existing entities.
///
/// # Errors
/// All errors, with pointers into the document.
pub fn desired_menu(document: &Document, current: &Contents, rules: &Rules) -> Result<Contents, Vec<FieldError>> {
    let mut builder = MenuBuilder {
        current,
        rules,
        categories: ExistingEntities::new(&current.categories),
        items: ExistingEntities::new(&current.items),
        groups: HashMap::new(),
        are_references_valid: true,
        faults: MenuFaults::default(),
    };
    builder.bounds(document);
    builder.faults.end()?;
    let groups = builder.all_groups(document);
    let (mut categories, mut items) = (Vec::new(), Vec::new());
    for (position, new) in (0_i32..).zip(&document.categories) {
        let category = builder.category(position, new);
        for (index, item) in (0_i32..).zip(&new.items) {
            items.push(builder.item(position, index, category.id, item));
        }
        categories.push(category);
    }
    builder.faults.end()?;
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
    for of_category in items.chunk_by_mut(|one, next| one.category_id == next.category_id) {
        let before = orders.get(&of_category[0].category_id).map_or(&[][..], Vec::as_slice);
        if of_category.iter().map(|item| item.id).eq(before.iter().map(|(id, _)| *id)) {
            of_category.iter_mut().zip(before).for_each(|(item, (_, position))| item.position = *position);
        }
    }
}

impl<'a> MenuBuilder<'a> {
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

    fn category(&mut self, position: i32, new: &'a DocumentCategory) -> Category {
        let pointer = format_args!("/categories/{position}");
        let before = self.categories.take(&new.key, pointer, &mut self.faults);
        self.faults.day_parts(pointer, &new.day_parts);
        self.faults.translations(pointer, &new.translations);
        Category {
            id: before.map_or_else(CategoryId::new, |one| one.id),
            key: key(before, &new.key),
            name: new.name.as_str().to_owned(),
            position,
            day_parts: new.day_parts.clone(),
            translations: new.translations.clone(),
        }
    }

    fn item(&mut self, category: i32, position: i32, category_id: CategoryId, new: &'a DocumentItem) -> Item {
        let pointer = format_args!("/categories/{category}/items/{position}");
        let before = self.items.take(&new.key, pointer, &mut self.faults);
        self.faults.currency(format_args!("{pointer}/price"), new.price, self.current.currency);
        self.tax_class(pointer, new.tax_class.as_ref());
        self.faults.day_parts(pointer, &new.day_parts);
        self.faults.translations(pointer, &new.translations);
        self.faults.allergens_and_diets(pointer, new.allergens.as_deref(), &new.diets);
        let switch_state = before.map(|one| (one.available, one.unavailable_until));
        let (available, unavailable_until) = self.rules.stock_policy.availability(new.available, switch_state);
        Item {
            id: before.map_or_else(ItemId::new, |one| one.id),
            key: key(before, &new.key),
            category_id,
            name: new.name.as_str().to_owned(),
            description: new.description.as_ref().map(|text| text.as_str().to_owned()),
            price: new.price,
            tax_class: new.tax_class.clone(),
            available,
            unavailable_until,
            stock: self.rules.stock_policy.stock(new.stock, before.and_then(|one| one.stock)),
            position,
            day_parts: new.day_parts.clone(),
            allergens: new.allergens.clone(),
            diets: new.diets.clone(),
            modifier_groups: self.group_ids(pointer, &new.modifier_groups),
            translations: new.translations.clone(),
            // A document has no images: existing items keep theirs.
            image: before.and_then(|one| one.image.clone()),
        }
    }

    /// The groups, oldest first. All keys are collected before a group is read, because groups refer to each other.
    fn all_groups(&mut self, document: &'a Document) -> Vec<Group> {
        let mut existing = ExistingEntities::new(&self.current.groups);
        let mut found = Vec::with_capacity(document.modifier_groups.len());
        for (at, new) in document.modifier_groups.iter().enumerate() {
            let pointer = format_args!("/modifierGroups/{at}");
            let before = existing.take(&new.key, pointer, &mut self.faults);
            let id = before.map_or_else(ModifierGroupId::new, |group| group.id);
            self.groups.insert(Cow::Borrowed(new.key.as_str()), id);
            found.push((id, before));
        }
        for (id, before) in &found {
            self.groups.entry(Cow::Owned(id.to_string())).or_insert(*id);
            if let Some(key) = before.and_then(|group| group.key.as_ref()) {
                self.groups.entry(Cow::Borrowed(key)).or_insert(*id);
            }
        }
        let all = document.modifier_groups.iter().zip(found).enumerate();
        let mut groups: Vec<_> = all.map(|(at, (new, (id, before)))| self.group(at, new, id, before)).collect();
        // Invalid references were already reported, and would make the pointers of these errors wrong.
        let nested = if self.are_references_valid { nesting::check(&groups) } else { Ok(()) };
        if let Err(fault) = nested {
            let nesting::NestingFault { group, modifier, nested, message } = fault;
            let pointer = format_args!("/modifierGroups/{group}/modifiers/{modifier}/modifierGroups/{nested}");
            self.faults.note(pointer, message);
        }
        groups.sort_by_key(|group| group.id);
        groups
    }

    fn group(&mut self, at: usize, new: &'a DocumentGroup, id: ModifierGroupId, before: Option<&Group>) -> Group {
        let pointer = format_args!("/modifierGroups/{at}");
        self.faults.choices(pointer, new.min, new.max);
        self.faults.translations(pointer, &new.translations);
        let current_modifiers = before.map_or(&[][..], |group| &group.modifiers);
        let mut existing = ExistingEntities::new(current_modifiers);
        let mut modifiers = Vec::with_capacity(new.modifiers.len());
        for (index, one) in new.modifiers.iter().enumerate() {
            let pointer = format_args!("{pointer}/modifiers/{index}");
            let before = existing.take(&one.key, pointer, &mut self.faults);
            modifiers.push(self.modifier(pointer, before, one));
        }
        Group {
            id,
            key: key(before, &new.key),
            name: new.name.as_str().to_owned(),
            min: new.min,
            max: new.max,
            translations: new.translations.clone(),
            modifiers,
        }
    }

    fn modifier(
        &mut self,
        pointer: impl Display + Copy,
        before: Option<&Modifier>,
        new: &'a DocumentModifier,
    ) -> Modifier {
        self.faults.currency(format_args!("{pointer}/price"), new.price, self.current.currency);
        self.tax_class(pointer, new.tax_class.as_ref());
        self.faults.translations(pointer, &new.translations);
        self.faults.allergens_and_diets(pointer, new.allergens.as_deref(), &new.diets);
        let switch_state = before.map(|one| (one.available, one.unavailable_until));
        let (available, unavailable_until) = self.rules.stock_policy.availability(new.available, switch_state);
        Modifier {
            id: before.map_or_else(ModifierId::new, |one| one.id),
            key: key(before, &new.key),
            name: new.name.as_str().to_owned(),
            price: new.price.amount,
            tax_class: new.tax_class.clone(),
            available,
            unavailable_until,
            stock: self.rules.stock_policy.stock(new.stock, before.and_then(|one| one.stock)),
            allergens: new.allergens.clone(),
            diets: new.diets.clone(),
            modifier_groups: self.group_ids(pointer, &new.modifier_groups),
            translations: new.translations.clone(),
        }
    }

    fn tax_class(&mut self, pointer: impl Display + Copy, class: Option<&TaxClass>) {
        if let Some(class) = class.filter(|class| !self.rules.tax_classes.contains(class)) {
            let message = format_args!("“{}” is not one of the restaurant's taxClasses", class.as_str());
            self.faults.note(format_args!("{pointer}/taxClass"), message);
        }
    }

    /// The ids of the groups with these keys.
    fn group_ids(&mut self, pointer: impl Display + Copy, keys: &[EntityKey]) -> Vec<ModifierGroupId> {
        let mut ids = Vec::with_capacity(keys.len());
        let before = self.faults.count();
        for (index, key) in keys.iter().enumerate() {
            let pointer = format_args!("{pointer}/modifierGroups/{index}");
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
        self.are_references_valid &= self.faults.count() == before;
        ids
    }
}
