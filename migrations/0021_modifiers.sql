-- Modifiers, times of day, 86 with an end, allergens, translations, keys of the client's own.

alter table menu_categories
    -- Chosen by whoever keeps the menu elsewhere: what a document calls it.
    add column key text,
    -- Weekly windows in local time, [{"days":[1,2],"from":"07:00","to":"11:00"}]; empty: at any time.
    add column day_parts jsonb not null default '[]',
    -- {"it": {"name": "Antipasti"}}
    add column translations jsonb not null default '{}',
    add constraint menu_categories_key_length check (char_length(key) between 1 and 80),
    add constraint menu_categories_day_parts check (jsonb_typeof(day_parts) = 'array'),
    add constraint menu_categories_translations check (jsonb_typeof(translations) = 'object');
create unique index menu_categories_key_key on menu_categories (restaurant_id, key) where deleted_at is null;

alter table menu_items
    add column key text,
    -- While it is switched off: from then on it counts as switched on again.
    add column unavailable_until timestamptz,
    add column day_parts jsonb not null default '[]',
    -- [{"allergen":"GLUTEN","level":"CONTAINS"}]; null: nobody has said, which is not the same as none.
    add column allergens jsonb,
    -- Diets it suits, such as VEGAN.
    add column diets jsonb not null default '[]',
    add column translations jsonb not null default '{}',
    add constraint menu_items_key_length check (char_length(key) between 1 and 80),
    add constraint menu_items_until_only_when_off check (unavailable_until is null or not available),
    add constraint menu_items_day_parts check (jsonb_typeof(day_parts) = 'array'),
    add constraint menu_items_allergens check (jsonb_typeof(allergens) = 'array'),
    add constraint menu_items_translations check (jsonb_typeof(translations) = 'object');
create unique index menu_items_key_key on menu_items (restaurant_id, key) where deleted_at is null;

create table modifier_groups (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    key             text,
    name            text        not null,
    -- How many choices a guest has to make at least and may make at most. Sizes are a group with 1 and 1.
    min_choices     smallint    not null,
    max_choices     smallint    not null,
    translations    jsonb       not null default '{}',
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
comment on table modifier_groups is 'A question about an item, such as its size or its extras, and how many answers it takes.';
create unique index modifier_groups_key_key on modifier_groups (restaurant_id, key) where deleted_at is null;

create table modifiers (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    group_id        uuid        not null,
    key             text,
    name            text        not null,
    -- Added to the item's price for each one chosen, in minor units.
    price           bigint      not null,
    position        integer     not null,
    available       boolean     not null default true,
    unavailable_until timestamptz,
    -- Portions left; null: not counted.
    stock           integer,
    allergens       jsonb,
    diets           jsonb       not null default '[]',
    translations    jsonb       not null default '{}',
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint modifiers_pkey primary key (restaurant_id, id),
    constraint modifiers_id_key unique (id),
    constraint modifiers_group_fkey foreign key (restaurant_id, group_id)
        references modifier_groups (restaurant_id, id),
    constraint modifiers_key_length check (char_length(key) between 1 and 80),
    constraint modifiers_name_length check (char_length(name) between 1 and 120),
    constraint modifiers_price_range check (price between 0 and 100000000),
    constraint modifiers_until_only_when_off check (unavailable_until is null or not available),
    constraint modifiers_stock_not_negative check (stock >= 0),
    constraint modifiers_allergens check (jsonb_typeof(allergens) = 'array'),
    constraint modifiers_translations check (jsonb_typeof(translations) = 'object')
) with (fillfactor = 90);
comment on table modifiers is 'An answer to a group''s question: what it adds to the price, and how much of it is left.';
create index modifiers_group_idx on modifiers (restaurant_id, group_id, position);
create unique index modifiers_key_key on modifiers (restaurant_id, group_id, key) where deleted_at is null;

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
comment on table item_modifier_groups is 'Which questions are asked about an item, in which order.';
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
comment on table nested_modifier_groups is 'Which questions are asked about a chosen modifier. One level: a nested group''s modifiers ask nothing (src/menu/nesting.rs).';
create index nested_modifier_groups_group_idx on nested_modifier_groups (restaurant_id, group_id);

-- In which languages a menu can be read.
alter table menus
    -- The one it is written in, where it has been said.
    add column language text,
    -- Its translations.
    add column languages text[] not null default '{}';

-- [{"modifierId":"…","quantity":1,"modifiers":[…]}], as the guest wants it.
alter table cart_items
    add column choices jsonb not null default '[]',
    add constraint cart_items_choices check (jsonb_typeof(choices) = 'array');

-- The choices as they were sold, with names and prices, and what was in the whole; unit_price holds the item and all of them.
alter table order_items
    add column modifiers json not null default '[]',
    add column allergens json not null default '{"contains":[],"mayContain":[],"complete":false,"diets":[]}';

create table stock_ledger (
    id              bigint      generated always as identity,
    restaurant_id   uuid        not null references restaurants on delete cascade,
    -- What was counted: one of the two.
    item_id         uuid,
    modifier_id     uuid,
    -- The order that took it or gave it back.
    order_id        uuid,
    delta           integer     not null,
    reason          text        not null,
    at              timestamptz not null,

    constraint stock_ledger_pkey primary key (restaurant_id, id),
    constraint stock_ledger_of_one_thing check ((item_id is null) <> (modifier_id is null)),
    constraint stock_ledger_reason check (reason in ('SET', 'SOLD', 'RETURNED')),
    constraint stock_ledger_order check ((reason = 'SET') = (order_id is null)),
    constraint stock_ledger_something check (delta <> 0)
);
comment on table stock_ledger is 'Every change of a counted stock. The sum of a thing''s rows is its stock; of a thing that is not counted, zero.';
create index stock_ledger_item_idx on stock_ledger (restaurant_id, item_id, id) where item_id is not null;
create index stock_ledger_modifier_idx on stock_ledger (restaurant_id, modifier_id, id) where modifier_id is not null;
create index stock_ledger_order_idx on stock_ledger (restaurant_id, order_id) where order_id is not null;

-- What has been counted until now.
insert into stock_ledger (restaurant_id, item_id, delta, reason, at)
    select restaurant_id, id, stock, 'SET', updated_at from menu_items where stock > 0;
alter table order_items drop constraint order_items_stock_taken, drop column stock_taken;

do $$
declare name text;
begin
    foreach name in array array['modifier_groups', 'modifiers', 'item_modifier_groups', 'nested_modifier_groups'] loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format('create policy read on %I for select using (true)', name);
        execute format('create policy add on %I for insert with check (restaurant_id = app_tenant() or app_platform())', name);
        execute format('create policy remove on %I for delete using (restaurant_id = app_tenant() or app_platform())', name);
        -- As with items: a customer's order takes stock of modifiers.
        if name = 'modifiers' then
            execute 'create policy change on modifiers for update
                using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
                with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())';
        else
            execute format('create policy change on %I for update
                using (restaurant_id = app_tenant() or app_platform())
                with check (restaurant_id = app_tenant() or app_platform())', name);
        end if;
        execute format('grant select, insert, update, delete on %I to comanda_app', name);
    end loop;
end $$;

alter table stock_ledger enable row level security;
alter table stock_ledger force row level security;
create policy read on stock_ledger for select using (
    restaurant_id = app_tenant() or app_platform()
    or exists (select from orders o where o.restaurant_id = stock_ledger.restaurant_id
               and o.id = stock_ledger.order_id and o.customer_id = app_user()));
create policy append on stock_ledger for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
grant select, insert on stock_ledger to comanda_app;
