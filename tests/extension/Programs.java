// What a program on JDBC does, for programs.py: one line for each thing, NAME=VALUE.

import java.sql.*;
import java.util.*;

public class Programs {
    static Connection open(String url, String path) throws SQLException {
        Connection connection = DriverManager.getConnection(url + "?enable_load_extension=true");
        try (Statement statement = connection.createStatement()) {
            statement.execute("SELECT load_extension('" + path + "')");
        }
        return connection;
    }

    static String one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            return rows.next() ? rows.getString(1) : "nothing";
        }
    }

    static void tell(String name, Object value) {
        System.out.println(name + "=" + value);
    }

    static void write(Connection connection) throws SQLException {
        String count = "SELECT count(*) FROM local.sessions WHERE user_id = 'jdbc'";
        String found = "SELECT count(*) FROM prod.sessions WHERE session_id = 'jdbc'";
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement(
                "INSERT INTO local.sessions(session_id, user_id) VALUES (?, 'jdbc')")) {
            for (int k = 0; k < 50; k++) {
                insert.setString(1, "jdbc-" + k);
                insert.addBatch();
            }
            insert.executeBatch();
        }
        connection.commit();
        tell("batch", one(connection, count));
        try (Statement statement = connection.createStatement()) {
            String insert = "INSERT INTO prod.sessions(session_id, user_id) VALUES ('jdbc', 'ann')";
            statement.executeUpdate(insert);
            connection.rollback();
            tell("rolled back", one(connection, found));
            statement.executeUpdate(insert);
            connection.commit();
            // The statement above, at the same address perhaps, and now with another answer.
            tell("committed", one(connection, found));
            one(connection, "SELECT event_id FROM prod.append_event('jdbc', 'user', 'hi')");
            tell("called", one(connection,
                "SELECT text FROM prod.events WHERE session_id = 'jdbc'"));
            connection.commit();
            statement.executeUpdate("DELETE FROM prod.sessions WHERE session_id = 'jdbc'");
            connection.commit();
        }
        try {
            one(connection, "SELECT * FROM prod.append_event()");
        } catch (SQLException error) {
            tell("error", error.getMessage());
        }
        connection.rollback();
        connection.setAutoCommit(true);
    }

    static void threads(String url, String path) throws Exception {
        List<Thread> all = new ArrayList<>();
        List<String> bad = Collections.synchronizedList(new ArrayList<>());
        for (int k = 0; k < 4; k++) {
            Thread thread = new Thread(() -> {
                try (Connection connection = open(url, path)) {
                    for (int m = 0; m < 50; m++) {
                        String id = "jdbc-" + m;
                        String found = one(connection,
                            "SELECT session_id FROM local.sessions WHERE session_id = '" + id + "'");
                        if (!found.equals(id)) {
                            bad.add(found);
                        }
                    }
                } catch (SQLException error) {
                    bad.add(error.getMessage());
                }
            });
            all.add(thread);
            thread.start();
        }
        for (Thread thread : all) {
            thread.join();
        }
        tell("threads", bad);
    }

    static void cancel(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            Thread thread = new Thread(() -> {
                try {
                    Thread.sleep(700);
                    statement.cancel();
                } catch (Exception error) {
                    tell("cancel", error);
                }
            });
            thread.start();
            try {
                statement.executeQuery("SELECT count(*), count(text) FROM prod.events").next();
                tell("cancelled", "no");
            } catch (SQLException error) {
                tell("cancelled", error.getMessage());
            }
            thread.join();
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], path = arguments[1];
        try (Connection connection = open(url, path)) {
            if (arguments.length > 2) {
                cancel(connection);
                return;
            }
            tell("version", one(connection, "SELECT sqlite_version FROM sessions_vtab_info()"));
            tell("sessions", one(connection, "SELECT count(*) FROM prod.sessions"));
            tell("joined", one(connection, "SELECT count(*) FROM prod.sessions s"
                + " JOIN prod.events e ON e.session_name = s.name"));
            Set<String> tables = new TreeSet<>();
            try (ResultSet rows = connection.getMetaData().getTables(null, null, "%", null)) {
                while (rows.next()) {
                    tables.add(rows.getString("TABLE_NAME"));
                }
            }
            tell("tables", tables);
            write(connection);
            threads(url, path);
        }
    }
}
