-- Modifiers: the choices that customers make for an item, in groups.

create table modifier_groups (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- As menu_categories.key.
    key             text,
    name            text        not null,
    -- The smallest and the largest number of modifiers to choose. Sizes are a group with 1 and 1.
    min_choices     smallint    not null,
    max_choices     smallint    not null,
    translations    jsonb       not null default '{}',
    -- As menu_categories.bytes.
    bytes           integer     not null generated always as
        (octet_length(name) + octet_length(translations::text)) stored,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint modifier_groups_pkey primary key (restaurant_id, id),
    constraint modifier_groups_id_key unique (id),
    constraint modifier_groups_key_length check (char_length(key) between 1 and 80),
    constraint modifier_groups_name_length check (char_length(name) between 1 and 120),
    constraint modifier_groups_choices check (min_choices between 0 and max_choices and max_choices between 1 and 99),
    constraint modifier_groups_translations check (jsonb_typeof(translations) = 'object')
);
comment on table modifier_groups is
    'Groups of modifiers, such as sizes or extras, and how many of each group must and may be chosen.';
-- Only rows with a key: without statistics the planner would use this index for queries by id, and read all of it.
create unique index modifier_groups_key_key on modifier_groups (restaurant_id, key)
    where deleted_at is null and key is not null;

create table modifiers (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    group_id        uuid        not null,
    key             text,
    name            text        not null,
    -- Added to the item's price for each one chosen, in minor units; limited as menu_items.price.
    price           bigint      not null,
    -- Null: the tax class of the item that it is chosen for.
    tax_class       text,
    position        integer     not null,
    available       boolean     not null default true,
    unavailable_until timestamptz,
    -- Portions left; null: not counted.
    stock           integer,
    allergens       jsonb,
    diets           jsonb       not null default '[]',
    translations    jsonb       not null default '{}',
    -- As menu_categories.bytes.
    bytes           integer     not null generated always as
        (octet_length(name) + coalesce(octet_length(allergens::text), 0) + octet_length(translations::text)) stored,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint modifiers_pkey primary key (restaurant_id, id),
    constraint modifiers_id_key unique (id),
    constraint modifiers_group_fkey foreign key (restaurant_id, group_id)
        references modifier_groups (restaurant_id, id),
    constraint modifiers_tax_class_fkey foreign key (restaurant_id, tax_class)
        references tax_classes (restaurant_id, name) on delete set null (tax_class),
    constraint modifiers_key_length check (char_length(key) between 1 and 80),
    constraint modifiers_name_length check (char_length(name) between 1 and 120),
    constraint modifiers_price_range check (price between 0 and 1000000000000000),
    constraint modifiers_until_only_when_off check (unavailable_until is null or not available),
    constraint modifiers_stock_not_negative check (stock >= 0),
    constraint modifiers_allergens check (jsonb_typeof(allergens) = 'array'),
    constraint modifiers_translations check (jsonb_typeof(translations) = 'object')
) with (fillfactor = 90);
comment on table modifiers is
    'The modifiers of a group with their prices and stock.';
create index modifiers_group_idx on modifiers (restaurant_id, group_id, position);
-- The same policy as that of groups.
create unique index modifiers_key_key on modifiers (restaurant_id, group_id, key)
    where deleted_at is null and key is not null;
create index modifiers_tax_class_idx on modifiers (restaurant_id, tax_class) where tax_class is not null;

create table item_modifier_groups (
    restaurant_id   uuid        not null,
    item_id         uuid        not null,
    group_id        uuid        not null,
    position        smallint    not null,

    constraint item_modifier_groups_pkey primary key (restaurant_id, item_id, group_id),
    constraint item_modifier_groups_item_fkey foreign key (restaurant_id, item_id)
        references menu_items (restaurant_id, id) on delete cascade,
    constraint item_modifier_groups_group_fkey foreign key (restaurant_id, group_id)
        references modifier_groups (restaurant_id, id) on delete cascade
);
comment on table item_modifier_groups is 'Which groups belong to an item, and in which order.';
create index item_modifier_groups_group_idx on item_modifier_groups (restaurant_id, group_id);

create table nested_modifier_groups (
    restaurant_id   uuid        not null,
    modifier_id     uuid        not null,
    group_id        uuid        not null,
    position        smallint    not null,

    constraint nested_modifier_groups_pkey primary key (restaurant_id, modifier_id, group_id),
    constraint nested_modifier_groups_modifier_fkey foreign key (restaurant_id, modifier_id)
        references modifiers (restaurant_id, id) on delete cascade,
    constraint nested_modifier_groups_group_fkey foreign key (restaurant_id, group_id)
        references modifier_groups (restaurant_id, id) on delete cascade
);
comment on table nested_modifier_groups is
    'The modifier groups of modifiers. One level: modifiers of a nested group have no groups (src/menu/nesting.rs).';
create index nested_modifier_groups_group_idx on nested_modifier_groups (restaurant_id, group_id);

create function menu_shows_stock(restaurant uuid, asked_in uuid, before integer, after integer) returns boolean
language sql stable parallel safe
begin atomic
    select before is distinct from after
        and least(coalesce(before, 2147483647), coalesce(after, 2147483647)) < (
            -- An upper bound of the portions that one item requires: the group's minimum, for the item and for each
            -- modifier that must be chosen and has the group again. Scalar subqueries, because a join over the whole
            -- menu made an order of a thousand modifiers take seconds. A group that two thousand modifiers have takes
            -- as many lookups, so orders call this once for each group, with the smallest stock in it.
            select greatest(1, g.min_choices * (1 + coalesce((
                select sum((
                    select above.min_choices from modifier_groups above
                    where above.restaurant_id = restaurant and above.id = asking.group_id and above.deleted_at is null))
                from (
                    select distinct (
                        select m.group_id from modifiers m
                        where m.restaurant_id = restaurant and m.id = n.modifier_id and m.deleted_at is null
                    ) as group_id
                    from nested_modifier_groups n
                    where n.restaurant_id = restaurant and n.group_id = asked_in) asking), 0)))
            from modifier_groups g where g.restaurant_id = restaurant and g.id = asked_in);
end;
comment on function menu_shows_stock(uuid, uuid, integer, integer) is
    'Whether this change of the stock of a modifier in this group may change what the menu shows as orderable; null: '
    'not counted. Selling out is not the only such change: two required groups with the same modifier need two '
    'portions of it (src/menu/satisfiable.rs).';

alter table modifier_groups enable row level security;
alter table modifier_groups force row level security;
create policy read on modifier_groups for select using (true);
create policy add on modifier_groups for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on modifier_groups for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on modifier_groups for delete using (restaurant_id = app_tenant() or app_platform());

-- app_shop(): as with items, a customer's order takes stock.
alter table modifiers enable row level security;
alter table modifiers force row level security;
create policy read on modifiers for select using (true);
create policy add on modifiers for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on modifiers for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy remove on modifiers for delete using (restaurant_id = app_tenant() or app_platform());

alter table item_modifier_groups enable row level security;
alter table item_modifier_groups force row level security;
create policy read on item_modifier_groups for select using (true);
create policy add on item_modifier_groups for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on item_modifier_groups for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on item_modifier_groups for delete using (restaurant_id = app_tenant() or app_platform());

alter table nested_modifier_groups enable row level security;
alter table nested_modifier_groups force row level security;
create policy read on nested_modifier_groups for select using (true);
create policy add on nested_modifier_groups for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on nested_modifier_groups for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on nested_modifier_groups for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update, delete on modifier_groups, modifiers, item_modifier_groups, nested_modifier_groups
    to comanda_app;
