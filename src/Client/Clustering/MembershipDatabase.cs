using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Data.Sqlite;

namespace ServingGrid.Client.Clustering;

/// <summary>
/// The membership rows of a grid in an SQLite file, for processes of one machine: no server, and any of them may die at any
/// time. Every change also raises the table's version, in one transaction, as Orleans' protocol asks. Thread-safe: a connection
/// for each operation.
/// </summary>
internal sealed class MembershipDatabase(string path, string clusterId)
{
    private readonly string _connection = new SqliteConnectionStringBuilder
    {
        DataSource = path,
        Mode = SqliteOpenMode.ReadWriteCreate,
        DefaultTimeout = 10,
        Pooling = true,
    }.ToString();

    /// <summary>Creates file and tables where they are missing.</summary>
    public void Initialize()
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            using SqliteConnection connection = Open();
            Execute(connection, null, "PRAGMA journal_mode = WAL");
            Execute(connection, null, """
                CREATE TABLE IF NOT EXISTS version (cluster TEXT PRIMARY KEY, version INTEGER NOT NULL);
                CREATE TABLE IF NOT EXISTS silo (cluster TEXT NOT NULL, address TEXT NOT NULL, etag INTEGER NOT NULL, alive TEXT NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (cluster, address));
                """);
            Execute(connection, null, "INSERT OR IGNORE INTO version VALUES ($cluster, 0)", ("$cluster", clusterId));
        }
        catch (Exception exception) when (exception is SqliteException or IOException or UnauthorizedAccessException)
        {
            throw new ClusterStoreException($"The cluster file '{path}' cannot be used: {exception.Message}", exception);
        }
    }

    public MembershipTableData Read(SiloAddress? silo = null)
    {
        using SqliteConnection connection = Open();

        // One transaction, so that version and rows belong together.
        using SqliteTransaction transaction = connection.BeginTransaction(deferred: true);
        int version = (int)(long)(Scalar(connection, transaction, "SELECT version FROM version WHERE cluster = $cluster", ("$cluster", clusterId)) ?? 0L);
        using SqliteCommand command = Command(
            connection,
            transaction,
            "SELECT entry, alive, etag FROM silo WHERE cluster = $cluster AND ($address IS NULL OR address = $address)",
            ("$cluster", clusterId),
            ("$address", silo?.ToParsableString()));
        List<Tuple<MembershipEntry, string>> rows = [];
        using (SqliteDataReader reader = command.ExecuteReader())
        {
            while (reader.Read())
            {
                MembershipEntry entry = JsonSerializer.Deserialize(reader.GetString(0), MembershipJson.Default.MembershipRow)!.ToEntry();
                entry.IAmAliveTime = Time(reader.GetString(1));
                rows.Add(Tuple.Create(entry, reader.GetInt64(2).ToString(CultureInfo.InvariantCulture)));
            }
        }

        return new MembershipTableData(rows, new TableVersion(version, version.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>Adds a row; false when the version has moved or the row exists.</summary>
    public bool Insert(MembershipEntry entry, TableVersion version) => Change(version, (connection, transaction) => Execute(
        connection,
        transaction,
        "INSERT OR IGNORE INTO silo VALUES ($cluster, $address, 0, $alive, $entry)",
        ("$cluster", clusterId),
        ("$address", entry.SiloAddress.ToParsableString()),
        ("$alive", Text(entry.IAmAliveTime)),
        ("$entry", Json(entry))));

    /// <summary>Changes a row; false when it or the version has moved.</summary>
    public bool Update(MembershipEntry entry, string etag, TableVersion version) => Change(version, (connection, transaction) => Execute(
        connection,
        transaction,
        "UPDATE silo SET entry = $entry, alive = $alive, etag = etag + 1 WHERE cluster = $cluster AND address = $address AND etag = $etag",
        ("$cluster", clusterId),
        ("$address", entry.SiloAddress.ToParsableString()),
        ("$alive", Text(entry.IAmAliveTime)),
        ("$entry", Json(entry)),
        ("$etag", long.Parse(etag, CultureInfo.InvariantCulture))));

    /// <summary>Sign of life: changes neither the row's tag nor the version.</summary>
    public void Touch(MembershipEntry entry)
    {
        using SqliteConnection connection = Open();
        Execute(
            connection,
            null,
            "UPDATE silo SET alive = $alive WHERE cluster = $cluster AND address = $address",
            ("$cluster", clusterId),
            ("$address", entry.SiloAddress.ToParsableString()),
            ("$alive", Text(entry.IAmAliveTime)));
    }

    /// <summary>Removes rows of silos that died before <paramref name="before"/>.</summary>
    public void RemoveDefunct(DateTimeOffset before)
    {
        foreach ((MembershipEntry entry, string _) in Read().Members.Where(row => row.Item1.Status == SiloStatus.Dead && row.Item1.IAmAliveTime < before.UtcDateTime))
        {
            using SqliteConnection connection = Open();
            Execute(connection, null, "DELETE FROM silo WHERE cluster = $cluster AND address = $address", ("$cluster", clusterId), ("$address", entry.SiloAddress.ToParsableString()));
        }
    }

    /// <summary>Removes all rows of a grid.</summary>
    public void Delete(string cluster)
    {
        using SqliteConnection connection = Open();
        Execute(connection, null, "DELETE FROM silo WHERE cluster = $cluster; DELETE FROM version WHERE cluster = $cluster", ("$cluster", cluster));
    }

    private bool Change(TableVersion version, Func<SqliteConnection, SqliteTransaction, int> change)
    {
        using SqliteConnection connection = Open();

        // Immediate: takes the write lock before it reads, so that two writers cannot both see the old version.
        using SqliteTransaction transaction = connection.BeginTransaction(deferred: false);
        int moved = Execute(
            connection,
            transaction,
            "UPDATE version SET version = $next WHERE cluster = $cluster AND version = $known",
            ("$next", (long)version.Version),
            ("$known", long.Parse(version.VersionEtag, CultureInfo.InvariantCulture)),
            ("$cluster", clusterId));
        if (moved == 0 || change(connection, transaction) == 0)
        {
            return false;
        }

        transaction.Commit();
        return true;
    }

    private SqliteConnection Open()
    {
        SqliteConnection connection = new(_connection);
        connection.Open();
        return connection;
    }

    private static int Execute(SqliteConnection connection, SqliteTransaction? transaction, string sql, params (string Name, object? Value)[] parameters)
    {
        using SqliteCommand command = Command(connection, transaction, sql, parameters);
        return command.ExecuteNonQuery();
    }

    private static object? Scalar(SqliteConnection connection, SqliteTransaction? transaction, string sql, params (string Name, object? Value)[] parameters)
    {
        using SqliteCommand command = Command(connection, transaction, sql, parameters);
        return command.ExecuteScalar();
    }

    private static SqliteCommand Command(SqliteConnection connection, SqliteTransaction? transaction, string sql, params (string Name, object? Value)[] parameters)
    {
        SqliteCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach ((string name, object? value) in parameters)
        {
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        }

        return command;
    }

    private static string Json(MembershipEntry entry) => JsonSerializer.Serialize(MembershipRow.From(entry), MembershipJson.Default.MembershipRow);

    private static string Text(DateTime time) => time.ToString("O", CultureInfo.InvariantCulture);

    private static DateTime Time(string text) => DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
}

[JsonSerializable(typeof(MembershipRow))]
internal sealed partial class MembershipJson : JsonSerializerContext;
