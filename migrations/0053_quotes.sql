-- Quotes: the price of a basket, guaranteed until it expires.

create table quotes (
    restaurant_id   uuid        not null references restaurants on delete cascade,
    id              uuid        not null,
    user_id         uuid        not null references users on delete cascade,
    -- The cart it was made from, and at which version; null: made from lines.
    cart_id         uuid,
    cart_version    bigint,
    -- The request, and the quoted lines, rates, fees and discount, from which an order is created.
    content         json        not null,
    -- Minor units of the restaurant's currency.
    total           bigint      not null,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    -- The one order that was placed from it; null: none.
    order_id        uuid,

    constraint quotes_pkey primary key (restaurant_id, id),
    -- An id is unique across restaurants.
    constraint quotes_id_key unique (id),
    constraint quotes_cart_whole check ((cart_id is null) = (cart_version is null)),
    constraint quotes_total_not_negative check (total >= 0),
    constraint quotes_life check (expires_at > created_at)
);
comment on table quotes is 'Prices that the server guaranteed until a time. Deleted an hour after they expired.';
create index quotes_user_id_idx on quotes (user_id, restaurant_id, expires_at);
create index quotes_expires_at_idx on quotes (expires_at);

alter table quotes enable row level security;
alter table quotes force row level security;
create policy own on quotes
    using (user_id = app_user() or app_platform()) with check (user_id = app_user() and restaurant_id = app_shop());

grant select, insert, update, delete on quotes to comanda_app;

create function delete_unverified_quotes(person uuid) returns void language sql volatile as $$
    delete from quotes where user_id = person;
$$;
comment on function delete_unverified_quotes(uuid) is
    'Deletes the quotes that somebody else may have created before the account''s owner verified the address.';
