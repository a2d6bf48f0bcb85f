"""Where libraries look for the classes of the utilities."""
from tarn.dbutils import DBUtils, FileInfo, MountInfo  # noqa: F401
