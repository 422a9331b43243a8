-- How guests reach a restaurant.

alter table restaurants
    -- {"phone": "+39…", "email": "…", "website": "https://…"}, each of them or none; checked before it is written.
    add column contact json not null default '{}',
    add constraint restaurants_contact check (json_typeof(contact) = 'object');
