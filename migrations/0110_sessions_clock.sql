-- A session's instants come from the program's clock, as all others do: a row that leaves one out is refused instead of
-- taking the database's time, which need not be the same.

alter table sessions alter column refreshed_at drop default;
