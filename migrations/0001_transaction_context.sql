-- The context that row level security uses: for whom a transaction runs and at which restaurant. The unit of work sets
-- these settings for one transaction (`src/tenancy.rs`). A setting that is not set is null, and null matches no row, so
-- a statement without a predicate still reads no rows of another restaurant.

create function app_user() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.user', true), '')::uuid;
comment on function app_user() is 'The signed-in user of this transaction, or null.';

create function app_guest() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.guest', true), '')::uuid;
comment on function app_guest() is
    'The guest without an account for whom this transaction runs, or whose carts are merged into an account in it; or '
    'null.';

create function app_driver() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.driver', true), '')::uuid;
comment on function app_driver() is 'The driver profile for which this transaction runs, or null.';

create function app_tenant() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.tenant', true), '')::uuid;
comment on function app_tenant() is
    'The restaurant on whose behalf this transaction runs (for its staff, or for a job of its own), or null.';

create function app_shop() returns uuid language sql stable parallel safe
    return nullif(current_setting('app.shop', true), '')::uuid;
comment on function app_shop() is 'The restaurant at which the transaction''s customer orders, or null.';

create function app_platform() returns boolean language sql stable parallel safe
    return coalesce(nullif(current_setting('app.platform', true), '')::boolean, false);
comment on function app_platform() is
    'True when the transaction runs for the platform itself: an ADMIN, the event relay, an operator''s command.';

-- Only a statement that finds the restaurant by something that belongs to the user calls this (`tests/it/tidy.rs`).
create function set_shop(restaurant uuid) returns uuid language sql volatile
    return set_config('app.shop', restaurant::text, true)::uuid;
comment on function set_shop(uuid) is
    'Sets the restaurant at which the transaction''s customer orders, from here to its end; returns it.';

-- The application's role owns no table and cannot bypass row level security. Each table grants it only the privileges
-- that the application uses.
grant usage on schema public to comanda_app;
