-- Guests: people without an account who fill carts, which can be merged into an account when they sign in.

create table guests (
    id              uuid        primary key,
    -- HMAC-SHA-256 of the token under a key of the server: nobody can sign in with a dump of the database.
    token_hash      bytea       not null,
    created_at      timestamptz not null,
    last_used_at    timestamptz not null,
    -- Every write to a cart postpones it.
    expires_at      timestamptz not null,
    -- The user who signed in with the token; from then on the token is not accepted.
    taken_over_by   uuid        references users on delete cascade,
    taken_over_at   timestamptz,
    -- The response to that user, which is repeated if the request is sent again.
    taken_over      json,

    constraint guests_token_hash_sha256 check (octet_length(token_hash) = 32),
    constraint guests_life check (expires_at > created_at),
    constraint guests_taken_over_whole check (num_nulls(taken_over_by, taken_over_at, taken_over) in (0, 3))
);
comment on table guests is 'People without an account who fill carts. Deleted with their carts when expired.';
create unique index guests_token_key on guests (token_hash);
create index guests_expires_at_idx on guests (expires_at);
create index guests_taken_over_by_idx on guests (taken_over_by) where taken_over_by is not null;

grant select, insert, update, delete on guests to comanda_app;
