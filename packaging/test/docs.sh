# SPDX-License-Identifier: Apache-2.0
# The commands that the documentation shows for one kind of system: docs.sh CLASS
# (see internal/doctest). The packages are in the working directory, as the pages
# say.
. /root/lib.sh
class=$1
cd /root/new
if [ "$class" = ossec ]; then
  . /root/ossec.sh
fi
if [ "$class" = rpm ]; then
  # Debian does not know the names of what the package depends on.
  printf '#!/bin/sh\nexec /usr/bin/rpm --nodeps "$@"\n' >/usr/local/bin/rpm
  chmod 0755 /usr/local/bin/rpm
fi
export PATH="/usr/local/bin:$PATH"
/root/docrun "$class" /root/README.md /root/docs/*.md
