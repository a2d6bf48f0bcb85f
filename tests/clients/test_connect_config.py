"""spark.conf through an unmodified client. Expected answers: Apache Spark 4.2.0."""
import pytest
from pyspark.errors import AnalysisException, IllegalArgumentException, SparkNoSuchElementException


def test_defaults_have_their_unit(spark):
    assert spark.conf.get("spark.sql.autoBroadcastJoinThreshold") == "10485760b"
    assert spark.conf.get("spark.connect.progress.reportInterval") == "2000ms"
    assert spark.conf.get("spark.sql.shuffle.partitions") == "200"
    assert spark.conf.get("spark.sql.optimizer.excludedRules") is None


def test_a_value_is_answered_as_it_was_set_and_unset_restores_the_default(spark):
    spark.conf.set("spark.sql.shuffle.partitions", 7)
    assert spark.conf.get("spark.sql.shuffle.partitions") == "7"
    spark.conf.unset("spark.sql.shuffle.partitions")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "200"
    spark.conf.set("my.key", "x")
    assert spark.conf.get("my.key") == "x" and spark.conf.getAll["my.key"] == "x"


@pytest.mark.parametrize("key, value, error, condition", [
    ("spark.sql.warehouse.dir", "/x", AnalysisException, "CANNOT_MODIFY_STATIC_CONFIG"),
    ("spark.executor.memory", "1g", AnalysisException, "CANNOT_MODIFY_CONFIG"),
    ("spark.sql.shuffle.partitions", "many", IllegalArgumentException, "INVALID_CONF_VALUE.TYPE_MISMATCH"),
    ("spark.sql.shuffle.partitions", "-1", IllegalArgumentException, "INVALID_CONF_VALUE.REQUIREMENT"),
    ("spark.sql.session.timeZone", "Mars/Base", IllegalArgumentException, "INVALID_CONF_VALUE.TIME_ZONE"),
    ("spark.sql.storeAssignmentPolicy", "LOOSE", IllegalArgumentException, "INVALID_CONF_VALUE.OUT_OF_RANGE_OF_OPTIONS"),
])
def test_what_cannot_be_set(spark, key, value, error, condition):
    with pytest.raises(error) as e:
        spark.conf.set(key, value)
    assert e.value.getCondition() == condition


def test_an_unknown_key(spark):
    with pytest.raises(SparkNoSuchElementException) as e:
        spark.conf.get("spark.no.such.key")
    assert e.value.getCondition() == "SQL_CONF_NOT_FOUND" and e.value.getSqlState() == "42K0I"
    assert e.value.getMessageParameters() == {"sqlConf": '"spark.no.such.key"'}
    assert spark.conf.get("spark.no.such.key", "other") == "other"


def test_modifiable(spark):
    assert spark.conf.isModifiable("spark.sql.ansi.enabled")
    assert not spark.conf.isModifiable("spark.sql.warehouse.dir")
    assert not spark.conf.isModifiable("no.such")


def test_builder_options_that_cannot_be_set_do_not_stop_a_session(cluster):
    with pytest.warns(UserWarning, match="CANNOT_MODIFY_CONFIG"):
        spark = cluster.session(spark__executor__memory="1g", spark__sql__ansi__enabled="false")
    assert spark.conf.get("spark.sql.ansi.enabled") == "false"


def test_sessions_do_not_share_values(cluster):
    a, b = cluster.session(), cluster.session()
    a.conf.set("spark.sql.ansi.enabled", "false")
    assert b.conf.get("spark.sql.ansi.enabled") == "true"
