. ./price.sh
check() {
    got=$(total "$1" "$2")
    if [ "$got" != "$3" ]; then
        echo "FAIL: $2 pieces at $1 cost $got, not $3"
        exit 1
    fi
    echo "ok: $2 pieces at $1 cost $3"
}
check 500 2 1000
check 500 10 4500
