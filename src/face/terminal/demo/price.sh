# total PRICE COUNT: what COUNT pieces cost.
total() {
    echo $(($1 * $2))
}
