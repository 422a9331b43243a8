-- Guests: people without an account, who fill carts and may take them along when they sign in.

create function app_guest() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.guest', true), '')::uuid;
comment on function app_guest() is 'The guest without an account who acts in this transaction, or whose carts are taken over in it; or null.';

create table guests (
    id              uuid        primary key,
    -- HMAC-SHA-256 of the token under a key of the server's: a dump of the database lets nobody in.
    token_hash      bytea       not null,
    created_at      timestamptz not null,
    last_used_at    timestamptz not null,
    -- Every write to a cart puts it off.
    expires_at      timestamptz not null,
    -- Who signed in with the token; from then on it opens nothing.
    taken_over_by   uuid        references users on delete cascade,
    taken_over_at   timestamptz,
    -- What the one who took over was answered, for when the answer is lost.
    taken_over      json,

    constraint guests_token_hash_sha256 check (octet_length(token_hash) = 32),
    constraint guests_life check (expires_at > created_at),
    constraint guests_taken_over_whole check (num_nulls(taken_over_by, taken_over_at, taken_over) in (0, 3))
);
comment on table guests is 'Somebody without an account who fills carts. Forgotten, carts and all, when expired.';
create unique index guests_token_key on guests (token_hash);
create index guests_expires_at_idx on guests (expires_at);
create index guests_taken_over_by_idx on guests (taken_over_by) where taken_over_by is not null;
grant select, insert, update, delete on guests to comanda_app;

alter table carts
    alter column user_id drop not null,
    add column guest_id uuid references guests on delete cascade,
    -- A cart is somebody's: a user's or a guest's.
    add constraint carts_one_owner check (num_nonnulls(user_id, guest_id) = 1),
    -- An order has a customer, so a guest's cart waits until its guest has an account.
    add constraint carts_ordered_by_user check (guest_id is null or status = 'OPEN');
-- One open cart a guest and restaurant.
create unique index carts_guest_open_key on carts (guest_id, restaurant_id) where status = 'OPEN';

drop policy own on carts;
create policy own on carts
    using (user_id = app_user() or guest_id = app_guest())
    with check (user_id = app_user() or guest_id = app_guest());

drop policy own on cart_items;
create policy own on cart_items
    using (exists (select from carts c where c.restaurant_id = cart_items.restaurant_id and c.id = cart_items.cart_id
                   and (c.user_id = app_user() or c.guest_id = app_guest())))
    with check (exists (select from carts c where c.restaurant_id = cart_items.restaurant_id and c.id = cart_items.cart_id
                        and (c.user_id = app_user() or c.guest_id = app_guest())));
