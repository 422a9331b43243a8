-- Menus: their versions, categories and items.

create table menus (
    restaurant_id   uuid        primary key references restaurants on delete cascade,
    -- Increases with every change that customers can see, including items that sell out or come back.
    version         bigint      not null,
    -- BCP 47: the language of its texts; null: not stated.
    language        text,
    -- The languages of its translations.
    languages       text[]      not null default '{}',
    -- The bytes of its texts in all languages, and the number of translations, day-parts and references to modifier
    -- groups together, after the last edit by staff.
    bytes           bigint      not null default 0,
    details         bigint      not null default 0,

    constraint menus_version_positive check (version >= 1)
) with (fillfactor = 50);
comment on table menus is
    'The version of each menu. Not part of the restaurant''s row, because a customer''s order that sells an item out '
    'increases the version and must not be able to write the restaurant. Without a row: version 1.';

create table menu_categories (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    -- The client's own key, by which a menu document refers to it; null: none.
    key             text,
    name            text        not null,
    search_words    text[]      not null default '{}',
    position        integer     not null,
    -- Weekly windows in local time, [{"days":[1,2],"from":"07:00","to":"11:00"}]; empty: at any time.
    day_parts       jsonb       not null default '[]',
    -- {"it": {"name": "Antipasti"}}
    translations    jsonb       not null default '{}',
    -- Bytes of its texts.
    bytes           integer     not null generated always as
        (octet_length(name) + octet_length(day_parts::text) + octet_length(translations::text)) stored,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint menu_categories_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint menu_categories_id_key unique (id),
    constraint menu_categories_key_length check (char_length(key) between 1 and 80),
    constraint menu_categories_name_length check (char_length(name) between 1 and 120),
    constraint menu_categories_day_parts check (jsonb_typeof(day_parts) = 'array'),
    constraint menu_categories_translations check (jsonb_typeof(translations) = 'object')
);
comment on table menu_categories is 'The sections of a menu, in the order in which they are shown.';
comment on column menu_categories.search_words is 'The words of its name, as restaurants.search_words.';
create index menu_categories_words_idx on menu_categories using gin (array_to_tsvector(search_words))
    where deleted_at is null;
-- Only rows with a key: without statistics the planner would use this index for queries by id, and read all of it.
create unique index menu_categories_key_key on menu_categories (restaurant_id, key)
    where deleted_at is null and key is not null;

create table menu_items (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    category_id     uuid        not null,
    key             text,
    name            text        not null,
    description     text,
    search_words    text[]      not null default '{}',
    -- Minor units of the restaurant's currency. The application limits it in the currency's own scale; the constraint
    -- is the largest limit of any currency.
    price           bigint      not null,
    -- Null: the standard tax.
    tax_class       text,
    position        integer     not null,
    available       boolean     not null default true,
    -- While it is switched off: when it becomes available again; null: when it is switched on.
    unavailable_until timestamptz,
    day_parts       jsonb       not null default '[]',
    -- Portions left; null: not counted.
    stock           integer,
    -- [{"allergen":"GLUTEN","level":"CONTAINS"}]; null: not stated, which is not the same as none.
    allergens       jsonb,
    -- Diets it suits, such as VEGAN.
    diets           jsonb       not null default '[]',
    translations    jsonb       not null default '{}',
    image_id        uuid,
    -- As menu_categories.bytes.
    bytes           integer     not null generated always as
        (octet_length(name) + coalesce(octet_length(description), 0) + octet_length(day_parts::text)
            + coalesce(octet_length(allergens::text), 0) + octet_length(translations::text)) stored,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,

    constraint menu_items_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint menu_items_id_key unique (id),
    constraint menu_items_category_fkey foreign key (restaurant_id, category_id)
        references menu_categories (restaurant_id, id),
    -- The tax class of a deleted item can be deleted.
    constraint menu_items_tax_class_fkey foreign key (restaurant_id, tax_class)
        references tax_classes (restaurant_id, name) on delete set null (tax_class),
    constraint menu_items_image_fkey foreign key (restaurant_id, image_id) references images (restaurant_id, id),
    constraint menu_items_key_length check (char_length(key) between 1 and 80),
    constraint menu_items_name_length check (char_length(name) between 1 and 120),
    constraint menu_items_price_range check (price between 0 and 1000000000000000),
    constraint menu_items_until_only_when_off check (unavailable_until is null or not available),
    constraint menu_items_day_parts check (jsonb_typeof(day_parts) = 'array'),
    constraint menu_items_stock_not_negative check (stock >= 0),
    constraint menu_items_allergens check (jsonb_typeof(allergens) = 'array'),
    constraint menu_items_translations check (jsonb_typeof(translations) = 'object'),
    constraint menu_items_deleted_image check (deleted_at is null or image_id is null)
) with (fillfactor = 90);
comment on table menu_items is 'The items of a menu with their prices and stock.';
comment on column menu_items.search_words is 'The words of its name, as restaurants.search_words.';
comment on constraint menu_items_deleted_image on menu_items is
    'A deleted item shows no image; the image is deleted with the next collection.';
create index menu_items_category_idx on menu_items (restaurant_id, category_id, position);
-- Only rows with a key: without statistics the planner would use this index for queries by id, and read all of it.
create unique index menu_items_key_key on menu_items (restaurant_id, key) where deleted_at is null and key is not null;
create index menu_items_words_idx on menu_items using gin (array_to_tsvector(search_words)) where deleted_at is null;
create index menu_items_tax_class_idx on menu_items (restaurant_id, tax_class) where tax_class is not null;
create index menu_items_image_idx on menu_items (restaurant_id, image_id) where image_id is not null;

-- app_shop() in the policies of menus and items: a customer's order takes stock, and the customer's cancellation
-- returns it.
alter table menus enable row level security;
alter table menus force row level security;
create policy read on menus for select using (true);
create policy add on menus for insert
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy change on menus for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());

alter table menu_categories enable row level security;
alter table menu_categories force row level security;
create policy read on menu_categories for select using (true);
create policy add on menu_categories for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on menu_categories for update
    using (restaurant_id = app_tenant() or app_platform()) with check (restaurant_id = app_tenant() or app_platform());
create policy remove on menu_categories for delete using (restaurant_id = app_tenant() or app_platform());

alter table menu_items enable row level security;
alter table menu_items force row level security;
create policy read on menu_items for select using (true);
create policy add on menu_items for insert with check (restaurant_id = app_tenant() or app_platform());
create policy change on menu_items for update
    using (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform())
    with check (restaurant_id = app_tenant() or restaurant_id = app_shop() or app_platform());
create policy remove on menu_items for delete using (restaurant_id = app_tenant() or app_platform());

grant select, insert, update on menus to comanda_app;
grant select, insert, update, delete on menu_categories, menu_items to comanda_app;
