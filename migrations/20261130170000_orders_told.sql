-- Why: the page of an order goes on the moment that its payment does, without asking every second: portals that have it open are told.

CREATE FUNCTION tell_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('mlango_orders', NEW.id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER orders_told AFTER UPDATE OF state ON orders FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION tell_orders();
