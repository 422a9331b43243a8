//! One category of a rendered menu with the groups that its items refer to, cut out of the bytes of the whole menu, so
//! that the cost depends on the category and not on the whole menu.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cache::{CachedResponse, Layout};
use crate::ids::{CategoryId, ModifierGroupId};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WholeMenu<'a> {
    #[serde(borrow)]
    categories: Vec<&'a RawValue>,
    #[serde(borrow)]
    modifier_groups: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct WithId<T> {
    id: T,
}

/// An item or a modifier: the ids of its modifier groups.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferencedGroups {
    modifier_groups: Vec<ModifierGroupId>,
}

/// A category's items, or a group's modifiers.
#[derive(Deserialize)]
struct ReferencingEntry {
    #[serde(alias = "items")]
    modifiers: Vec<ReferencedGroups>,
}

/// The positions of categories and groups in the bytes of a rendered menu.
fn layout_of(menu: &[u8]) -> Result<Layout, serde_json::Error> {
    let whole: WholeMenu<'_> = serde_json::from_slice(menu)?;
    let range = |part: &RawValue| {
        let begin = part.get().as_ptr().addr() - menu.as_ptr().addr();
        begin..begin + part.get().len()
    };
    let list = |parts: &[&RawValue]| match (parts.first(), parts.last()) {
        (Some(first), Some(last)) => range(first).start..range(last).end,
        _ => 0..0,
    };
    let lists = [list(&whole.categories), list(&whole.modifier_groups)];
    let categories = whole.categories.into_iter().map(|part| {
        let WithId { id } = serde_json::from_str::<WithId<CategoryId>>(part.get())?;
        Ok((id.uuid(), range(part)))
    });
    let groups = whole.modifier_groups.into_iter().map(|part| {
        let WithId { id } = serde_json::from_str::<WithId<ModifierGroupId>>(part.get())?;
        Ok((id.uuid(), range(part)))
    });
    Ok(Layout {
        parts: categories.collect::<Result<_, serde_json::Error>>()?,
        shared: groups.collect::<Result<_, serde_json::Error>>()?,
        lists,
    })
}

/// Whether a built menu is known to have no such category, because its parts were located before.
pub fn lacks(whole: &CachedResponse, category: CategoryId) -> bool {
    whole.layout.get().is_some_and(|layout| !layout.parts.contains_key(&category.uuid()))
}

/// The menu with this category only, and with the groups that it needs; `None`: the menu has no such category.
///
/// # Errors
/// When the response is not a menu.
pub fn extract(whole: &CachedResponse, category: CategoryId) -> Result<Option<CachedResponse>, serde_json::Error> {
    let menu = &whole.plain[..];
    let layout = if let Some(layout) = whole.layout.get() {
        layout
    } else {
        let read = layout_of(menu)?;
        whole.layout.get_or_init(|| read)
    };
    let Some(range) = layout.parts.get(&category.uuid()) else { return Ok(None) };
    let ranges: HashMap<_, _> = layout.shared.iter().map(|(id, range)| (*id, range)).collect();
    let mut needed = HashSet::new();
    let mut pending = group_ids(&menu[range.clone()])?;
    while let Some(group) = pending.pop() {
        if let Some(range) = ranges.get(&group.uuid()).filter(|_| needed.insert(group.uuid())) {
            pending.extend(group_ids(&menu[(*range).clone()])?);
        }
    }
    let [categories, groups] = &layout.lists;
    let mut cut = menu[..categories.start].to_vec();
    cut.extend_from_slice(&menu[range.clone()]);
    if groups.is_empty() {
        cut.extend_from_slice(&menu[categories.end..]);
    } else {
        cut.extend_from_slice(&menu[categories.end..groups.start]);
        let included = layout.shared.iter().filter(|(id, _)| needed.contains(id));
        let included: Vec<_> = included.map(|(_, range)| &menu[range.clone()]).collect();
        cut.extend_from_slice(&included.join(&b','));
        cut.extend_from_slice(&menu[groups.end..]);
    }
    Ok(Some(CachedResponse::new(whole.version, whole.until, cut)))
}

/// The modifier groups that the items of a category, or the modifiers of a group, refer to.
fn group_ids(part: &[u8]) -> Result<Vec<ModifierGroupId>, serde_json::Error> {
    let pending: ReferencingEntry = serde_json::from_slice(part)?;
    Ok(pending.modifiers.into_iter().flat_map(|one| one.modifier_groups).collect())
}
