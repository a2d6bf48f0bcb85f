"""The lakehouse: bronze (raw, as it came), silver (typed, cleaned, joined, corrected), gold (aggregates). Stock PySpark throughout."""
from pyspark.sql import functions as F

FLIGHT_KEY = ["year", "month", "day", "carrier", "flight", "origin", "sched_dep_time"]


class Lakehouse:
    """Tables of one lake: Delta tables in folders, registered in the metastore under the schemas bronze, silver and gold."""

    def __init__(self, spark, landing: str, lake: str, store):
        self.spark, self.landing, self.lake, self.store = spark, landing, lake, store

    def path(self, layer: str, table: str) -> str:
        return f"{self.lake}/{layer}/{table}"

    def save(self, df, layer: str, table: str, partition_by: tuple[str, ...] = ()) -> int:
        writer = df.write.format("delta").mode("overwrite")
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.save(self.path(layer, table))
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS {layer}.{table} USING delta LOCATION '{self.path(layer, table)}'")
        return self.spark.table(f"{layer}.{table}").count()

    def schemas(self) -> None:
        for layer in ("bronze", "silver", "gold"):
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {layer} COMMENT 'the {layer} layer of the workshop'")

    # ---- bronze: raw to Delta, every column as it came, with ingestion time and file name
    def bronze(self) -> dict[str, int]:
        def arrived(df):
            return df.select("*", F.current_timestamp().alias("ingested_at"), F.col("_metadata.file_path").alias("source_file"))

        counts = {}
        for name in ("flights", "weather"):
            df = self.spark.read.option("header", True).csv(f"{self.landing}/{name}/*/{name}.csv.gz")
            counts[name] = self.save(arrived(df), "bronze", name)
        for name in ("planes", "airports", "airlines"):
            counts[name] = self.save(arrived(self.spark.read.json(f"{self.landing}/reference/{name}.json")), "bronze", name)
        return counts

    # ---- silver
    def typed_flights(self, df):
        def whole(name):
            return F.col(name).try_cast("double").cast("int").alias(name)

        return df.select(
            *[F.col(c).cast("int").alias(c) for c in ("year", "month", "day", "sched_dep_time", "flight", "distance")],
            *[whole(c) for c in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time")],
            "carrier", F.nullif(F.nullif("tailnum", F.lit("NA")), F.lit("")).alias("tailnum"), "origin", "dest",
            F.to_timestamp("time_hour").alias("time_hour"))

    def silver(self) -> dict[str, int]:
        spark, counts = self.spark, {}
        flights = self.typed_flights(spark.table("bronze.flights")).dropDuplicates(FLIGHT_KEY)
        planes = spark.table("bronze.planes").select("tailnum", "manufacturer", "model", F.col("seats").cast("int").alias("seats"),
                                                     F.col("year").cast("int").alias("built"))
        airlines = spark.table("bronze.airlines").select("carrier", F.col("name").alias("airline"))
        airports = spark.table("bronze.airports").select(F.col("faa").alias("dest"), F.col("name").alias("dest_name"), "lat", "lon")
        joined = flights.join(planes, "tailnum", "left").join(airlines, "carrier", "left").join(airports, "dest", "left")
        counts["flights"] = self.save(joined, "silver", "flights", ("month",))
        weather = spark.table("bronze.weather").select(
            "origin", F.to_timestamp("time_hour").alias("time_hour"),
            *[F.col(c).try_cast("double").alias(c) for c in ("temp", "wind_speed", "precip", "visib")])
        counts["weather"] = self.save(weather.dropDuplicates(["origin", "time_hour"]), "silver", "weather")
        return counts

    def correct(self) -> dict[str, int]:
        """The late file: known flights get their corrected delay, missing ones are added."""
        late = self.typed_flights(self.spark.read.option("header", True).csv(f"{self.landing}/corrections/*/flights.csv.gz"))
        late.createOrReplaceTempView("late_flights")
        on = " AND ".join(f"t.{k} = s.{k}" for k in FLIGHT_KEY)
        columns = late.columns
        row = self.spark.sql(f"""
            MERGE INTO silver.flights t USING late_flights s ON {on}
            WHEN MATCHED THEN UPDATE SET t.arr_delay = s.arr_delay
            WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({', '.join('s.' + c for c in columns)})""").first()
        return {"updated": row["num_updated_rows"], "inserted": row["num_inserted_rows"]}

    # ---- gold
    def gold(self) -> dict[str, int]:
        spark, counts = self.spark, {}
        daily = (spark.table("silver.flights").withColumn("date", F.make_date("year", "month", "day")).groupBy("date", "origin")
                 .agg(F.count("*").alias("flights"), F.count_if(F.col("dep_time").isNull()).alias("cancelled"),
                      F.sum("arr_delay").alias("total_arr_delay"), F.avg("dep_delay").alias("avg_dep_delay"), F.sum("distance").alias("miles")))
        counts["daily"] = self.save(daily, "gold", "daily")
        carriers = spark.sql("""
            SELECT carrier, max(airline) AS airline, count(*) AS flights, sum(arr_delay) AS total_arr_delay,
                   round(avg(arr_delay), 2) AS avg_arr_delay, percentile_approx(dep_delay, 0.9) AS p90_dep_delay,
                   count(DISTINCT tailnum) AS planes, sum(seats) AS seats,
                   rank() OVER (ORDER BY count(*) DESC) AS by_size
            FROM silver.flights GROUP BY carrier""")
        counts["carriers"] = self.save(carriers, "gold", "carriers")
        return counts
