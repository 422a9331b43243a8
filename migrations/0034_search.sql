-- Searching restaurants: by place, and by words of names, cuisines and dishes. No extension is asked for.

-- Places within a box.
create index restaurants_place_idx on restaurants using gist (point(longitude, latitude));

create function plain(words text) returns text language sql immutable parallel safe strict
    return regexp_replace(normalize(lower(words), nfkd), '[\u0300-\u036f]', '', 'g');
comment on function plain(text) is 'Small letters without accents: Tiramisù is found as tiramisu. src/restaurants/search.rs does the same to what is searched for.';

create function name_and_cuisines(name text, cuisines text[]) returns tsvector language sql immutable parallel safe strict
    return to_tsvector('simple'::regconfig, plain(name || ' ' || array_to_string(cuisines, ' ')));
comment on function name_and_cuisines(text, text[]) is 'The words by which a restaurant itself is found.';

create index restaurants_words_idx on restaurants using gin (name_and_cuisines(name, cuisines));
create index menu_items_words_idx on menu_items using gin (to_tsvector('simple'::regconfig, plain(name)))
    where deleted_at is null;

create function restaurants_matching(words text[]) returns setof uuid language sql stable parallel safe
begin atomic
    select found.id from unnest(words) as word
    cross join lateral (
        select r.id from restaurants r where name_and_cuisines(r.name, r.cuisines) @@ word::tsquery
        union
        select i.restaurant_id from menu_items i
        where i.deleted_at is null and to_tsvector('simple'::regconfig, plain(i.name)) @@ word::tsquery) found
    group by found.id having count(distinct word) = cardinality(words);
end;
comment on function restaurants_matching(text[]) is 'Restaurants in which each word is found: in their name, their cuisines, or the name of something on their menu.';
