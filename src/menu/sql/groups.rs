//! Statements on modifier groups.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::key_taken;
use crate::ids::{ModifierGroupId, ModifierId, RestaurantId};
use crate::menu::allergens::{Declared, Diet};
use crate::menu::translations::Translations;
use crate::menu::{Group, Modifier};
use crate::money::Amount;
use crate::problem::{OnConstraint as _, Problem};
use crate::restaurants::tax::TaxClass;
use crate::tenancy::RestaurantScope;
use crate::uow::Tx;

/// A group's row with one of its modifiers, or with none if it has none.
struct Row {
    group_id: ModifierGroupId,
    group_key: Option<String>,
    group_name: String,
    min_choices: i16,
    max_choices: i16,
    group_translations: Json<Translations>,
    id: Option<ModifierId>,
    key: Option<String>,
    name: Option<String>,
    price: Option<Amount>,
    tax_class: Option<TaxClass>,
    available: Option<bool>,
    unavailable_until: Option<DateTime<Utc>>,
    stock: Option<i32>,
    allergens: Option<Json<Vec<Declared>>>,
    diets: Option<Json<Vec<Diet>>>,
    translations: Option<Json<Translations>>,
    modifier_groups: Vec<ModifierGroupId>,
}

impl Row {
    /// The group, without any modifier yet.
    fn group(&self) -> Group {
        Group {
            id: self.group_id,
            key: self.group_key.clone(),
            name: self.group_name.clone(),
            min: self.min_choices,
            max: self.max_choices,
            translations: self.group_translations.0.clone(),
            modifiers: Vec::new(),
        }
    }

    /// The modifier at this instant: it is on if it was switched off until an instant that has passed.
    fn into_modifier(self, now: DateTime<Utc>) -> Option<Modifier> {
        let unavailable_until = self.unavailable_until.filter(|until| *until > now);
        let is_back = self.unavailable_until.is_some() && unavailable_until.is_none();
        Some(Modifier {
            id: self.id?,
            key: self.key,
            name: self.name?,
            price: self.price?,
            tax_class: self.tax_class,
            available: self.available? || is_back,
            unavailable_until,
            stock: self.stock,
            allergens: self.allergens.map(|allergens| allergens.0),
            diets: self.diets?.0,
            modifier_groups: self.modifier_groups,
            translations: self.translations?.0,
        })
    }
}

/// Groups with their modifiers, in one statement; `$texts` are the translations of both, `$answers` is a condition on
/// the modifiers, `$which` on the groups.
macro_rules! groups {
    ($texts:tt, $answers:tt, $which:tt, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"select g.id as group_id, g.key as group_key, g.name as group_name, g.min_choices, g.max_choices,
                      "# + $texts + r#", m.id as "id?", m.key as "key?", m.name as "name?",
                      m.price as "price?", m.tax_class as "tax_class?: _", m.available as "available?",
                      m.unavailable_until,
                      m.stock, m.allergens as "allergens: _", m.diets as "diets?: _",
                      array(select n.group_id from nested_modifier_groups n
                            where n.restaurant_id = $1 and n.modifier_id = m.id order by n.position) as
                            "modifier_groups!: _"
               from modifier_groups g
               left join modifiers m on m.restaurant_id = g.restaurant_id and m.group_id = g.id and m.deleted_at is
               null "# + $answers + r#"
               where g.restaurant_id = $1 and g.deleted_at is null "# + $which + " order by g.id, m.position, m.id",
            $($argument),+
        )
    };
}

/// Collects adjacent rows of the same group.
fn grouped(rows: Vec<Row>, at: DateTime<Utc>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        if groups.last().is_none_or(|last| last.id != row.group_id) {
            groups.push(row.group());
        }
        if let Some(group) = groups.last_mut() {
            group.modifiers.extend(row.into_modifier(at));
        }
    }
    groups
}

/// All groups, oldest first.
pub async fn all(tx: &mut Tx, restaurant: RestaurantId) -> Result<Vec<Group>, Problem> {
    let now = tx.now();
    let rows = groups!(
        r#"g.translations as "group_translations: _", m.translations as "translations?: _""#,
        "",
        "",
        restaurant as RestaurantId
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(grouped(rows, now))
}

/// These groups and their nested ones; those that do not exist are left out. With all modifiers, or only those
/// `chosen`, because a menu may have thousands that a basket does not contain. Without translations, which may be much
/// longer than everything else.
pub async fn with_nested(
    tx: &mut Tx,
    restaurant: RestaurantId,
    requested: &[ModifierGroupId],
    chosen: Option<&[ModifierId]>,
    at: DateTime<Utc>,
) -> Result<Vec<Group>, Problem> {
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    let requested: Vec<_> = requested.iter().map(|group| group.uuid()).collect();
    let chosen: Option<Vec<_>> = chosen.map(|chosen| chosen.iter().map(|modifier| modifier.uuid()).collect());
    let rows = groups!(
        r#"'{}'::jsonb as "group_translations!: _", '{}'::jsonb as "translations?: _""#,
        "and ($3::uuid[] is null or m.id = any($3))",
        "and g.id in (
             select unnest($2::uuid[])
             union select n.group_id from nested_modifier_groups n
             join modifiers x on x.restaurant_id = n.restaurant_id and x.id = n.modifier_id
             where n.restaurant_id = $1 and x.group_id = any($2) and x.deleted_at is null
               and ($3::uuid[] is null or x.id = any($3)))",
        restaurant as RestaurantId,
        &requested,
        chosen.as_deref(),
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(grouped(rows, at))
}

/// Reads one modifier group; `None`: the restaurant has none with this id.
pub async fn get(tx: &mut Tx, restaurant: RestaurantId, id: ModifierGroupId) -> Result<Option<Group>, Problem> {
    let now = tx.now();
    let rows = groups!(
        r#"g.translations as "group_translations: _", m.translations as "translations?: _""#,
        "",
        "and g.id = $2",
        restaurant as RestaurantId,
        id as ModifierGroupId
    );
    let rows = rows.fetch_all(tx.connection()).await?;
    Ok(grouped(rows, now).pop())
}

/// Writes a new or changed group with its modifiers, but not their stock (`stock.rs`) and nested groups (`nest`).
/// Removed modifiers are hidden.
pub async fn save(tx: &mut Tx, scope: &RestaurantScope, group: &Group) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into modifier_groups
             (restaurant_id, id, key, name, min_choices, max_choices, translations, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name,
             min_choices = excluded.min_choices, max_choices = excluded.max_choices,
             translations = excluded.translations, updated_at = excluded.updated_at",
        scope.restaurant() as RestaurantId,
        group.id as ModifierGroupId,
        group.key,
        group.name,
        group.min,
        group.max,
        Json(&group.translations) as _,
        now,
    )
    .execute(tx.connection())
    .await
    .on_constraint("modifier_groups_key_key", key_taken)?;
    let kept: Vec<_> = group.modifiers.iter().map(|modifier| modifier.id.uuid()).collect();
    sqlx::query!(
        "with gone as (
             update modifiers set deleted_at = $4, available = false, unavailable_until = null
             where restaurant_id = $1 and group_id = $2 and deleted_at is null and id <> all($3) returning id
         )
         delete from nested_modifier_groups n using gone where n.restaurant_id = $1 and n.modifier_id = gone.id",
        scope.restaurant() as RestaurantId,
        group.id as ModifierGroupId,
        &kept,
        now,
    )
    .execute(tx.connection())
    .await?;
    for (position, modifier) in (0..).zip(&group.modifiers) {
        save_modifier(tx, scope, group.id, modifier, position).await?;
    }
    Ok(())
}

async fn save_modifier(
    tx: &mut Tx,
    scope: &RestaurantScope,
    group: ModifierGroupId,
    modifier: &Modifier,
    position: i32,
) -> Result<(), Problem> {
    let now = tx.now();
    sqlx::query!(
        "insert into modifiers (restaurant_id, id, group_id, key, name, price, available, unavailable_until, position,
             allergens, diets, translations, created_at, updated_at, tax_class)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14)
         on conflict (restaurant_id, id) do update set key = excluded.key, name = excluded.name, price = excluded.price,
             available = excluded.available, unavailable_until = excluded.unavailable_until,
             position = excluded.position, allergens = excluded.allergens, diets = excluded.diets,
             translations = excluded.translations, updated_at = excluded.updated_at,
             tax_class = excluded.tax_class",
        scope.restaurant() as RestaurantId,
        modifier.id as ModifierId,
        group as ModifierGroupId,
        modifier.key,
        modifier.name,
        modifier.price as Amount,
        modifier.available,
        modifier.unavailable_until,
        position,
        modifier.allergens.as_ref().map(Json) as _,
        Json(&modifier.diets) as _,
        Json(&modifier.translations) as _,
        now,
        modifier.tax_class.as_ref().map(TaxClass::as_str),
    )
    .execute(tx.connection())
    .await
    .on_constraint("modifiers_key_key", key_taken)?;
    Ok(())
}

/// Writes the nested groups of a group's modifiers, after all groups have been saved.
pub async fn nest(tx: &mut Tx, scope: &RestaurantScope, group: &Group) -> Result<(), Problem> {
    for modifier in &group.modifiers {
        let groups: Vec<_> = modifier.modifier_groups.iter().map(|group| group.uuid()).collect();
        sqlx::query!(
            "with gone as (
                 delete from nested_modifier_groups
                 where restaurant_id = $1 and modifier_id = $2 and group_id <> all($3)
             )
             insert into nested_modifier_groups (restaurant_id, modifier_id, group_id, position)
             select $1, $2, id, place from unnest($3::uuid[]) with ordinality as groups(id, place)
             on conflict (restaurant_id, modifier_id, group_id) do update set position = excluded.position",
            scope.restaurant() as RestaurantId,
            modifier.id as ModifierId,
            &groups,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Switches a modifier on, or off until an instant.
pub async fn switch(
    tx: &mut Tx,
    scope: &RestaurantScope,
    id: ModifierId,
    available: bool,
    until: Option<DateTime<Utc>>,
) -> Result<bool, Problem> {
    let now = tx.now();
    let changed = sqlx::query!(
        "update modifiers set available = $3, unavailable_until = $4, updated_at = $5
         where restaurant_id = $1 and id = $2 and deleted_at is null
             and (available, unavailable_until) is distinct from ($3::bool, $4::timestamptz)
             and not ($3 and unavailable_until is not null and unavailable_until <= $5)",
        scope.restaurant() as RestaurantId,
        id as ModifierId,
        available,
        until,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Hides a group and its modifiers, and removes it from items and modifiers.
pub async fn delete(tx: &mut Tx, scope: &RestaurantScope, id: ModifierGroupId) -> Result<(), Problem> {
    let now = tx.now();
    let hidden = sqlx::query!(
        "with of_items as (delete from item_modifier_groups where restaurant_id = $1 and group_id = $2),
         of_modifiers as (delete from nested_modifier_groups where restaurant_id = $1 and group_id = $2),
         content as (
             update modifiers set deleted_at = $3, available = false, unavailable_until = null
             where restaurant_id = $1 and group_id = $2 and deleted_at is null
         )
         update modifier_groups set deleted_at = $3 where restaurant_id = $1 and id = $2 and deleted_at is null",
        scope.restaurant() as RestaurantId,
        id as ModifierGroupId,
        now,
    )
    .execute(tx.connection())
    .await?;
    if hidden.rows_affected() == 1 { Ok(()) } else { Err(Problem::not_found()) }
}
