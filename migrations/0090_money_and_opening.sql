-- Rounding of tax, amounts in each currency's own scale, last orders, and hours that say "always open" explicitly.

create type rounding_mode as enum ('HALF_UP', 'HALF_EVEN');
comment on type rounding_mode is 'Which of two whole minor units an amount exactly between them becomes.';
create type tax_rounding_level as enum ('LINE', 'ORDER');
comment on type tax_rounding_level is 'LINE: tax is rounded once for each rate on each line and fee; ORDER: once for each rate on the sum of all lines and fees.';

alter table restaurants
    add column tax_rounding rounding_mode not null default 'HALF_UP',
    add column tax_rounding_level tax_rounding_level not null default 'LINE',
    -- True: open around the clock except on exceptional days, and without weekly hours. False without weekly hours: closed.
    add column always_open boolean not null default false,
    -- For each fulfilment (delivery, pickup, dineIn): cutOffMinutes before closing at which the last order is taken (absent:
    -- the preparation time), and handOverMinutes after closing until which food is handed over (absent: 0).
    add column last_orders json not null default '{}';
-- Until now, no weekly hours at all meant always open.
alter table restaurants no force row level security;
alter table opening_hours no force row level security;
update restaurants r set always_open = true
    where not exists (select from opening_hours h where h.restaurant_id = r.id);
alter table opening_hours force row level security;
alter table restaurants force row level security;

alter table orders
    -- How its tax was rounded.
    add column tax_rounding rounding_mode not null default 'HALF_UP',
    add column tax_rounding_level tax_rounding_level not null default 'LINE',
    -- The kitchen hands it over not before and not after these instants: opening plus preparation, and closing. Null: no bound.
    add column ready_from timestamptz,
    add column ready_until timestamptz;
alter table orders no force row level security;
-- What was placed until now was rounded half to even.
update orders set tax_rounding = 'HALF_EVEN';
alter table orders force row level security;

-- The application bounds amounts in the scale of the restaurant's currency; this is the largest bound of any currency.
alter table menu_items
    drop constraint menu_items_price_range,
    add constraint menu_items_price_range check (price between 0 and 1000000000000000);
alter table modifiers
    drop constraint modifiers_price_range,
    add constraint modifiers_price_range check (price between 0 and 1000000000000000);
